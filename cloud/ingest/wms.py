"""What a warehouse system sends becomes a command of the store on whose topic it came. Pure.

Size before decode, schema, check digits; the store is the topic's and never a document's (P7). Each
message counts once: by its `message_id`, or else by what it says, whatever its spelling.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from cloud.commands.goods import AdviseDespatch, DespatchLine
from cloud.commands.reorders import SetReorderStatus
from cloud.sku_location.refusal import Refusal
from protocol.codec import FRAME_BYTES_MAX
from protocol.errors import FrameFault, InvalidIdentifier
from protocol.ids import StoreId, parse_gtin
from protocol.topics import DESPATCH_ADVICE, REORDER_STATUS, WMS
from protocol.wms_documents import (
    AdvisedLine,
    DespatchAdviceDocument,
    ReorderStatusDocument,
    WmsDocument,
)

WmsCommand = AdviseDespatch | SetReorderStatus

KEY_DIGEST_BYTES: Final = 16
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


class WmsRefusal(StrEnum):
    """Why a document is refused, besides `FrameFault` and the shard's reasons. Never renamed."""

    UNKNOWN_KIND = "unknown_kind"


class DocumentRefused(Exception):
    """A warehouse system sent what is none of our documents; `reason` and `detail` say why."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


def is_wms(channel: str) -> bool:
    """Say whether a channel of a store is one on which warehouse systems send."""
    return channel.startswith(WMS)


def command_of(store: StoreId, channel: str, payload: bytes) -> WmsCommand:
    """Return the command in a payload on a channel of a store, or raise `DocumentRefused`."""
    kind = channel.removeprefix(WMS)
    if kind not in _READERS:
        known = ", ".join(WMS + name for name in _READERS)
        raise DocumentRefused(WmsRefusal.UNKNOWN_KIND, f"nothing is read from {channel!r}: {known}")
    decoder, read = _READERS[kind]
    document = _decoded(decoder, payload)
    command = read(store, document)
    content = msgspec.msgpack.encode(command)
    digest = blake2b(content, digest_size=KEY_DIGEST_BYTES).digest()
    name = f"id/{document.message_id}" if document.message_id else f"content/{digest.hex()}"
    return replace(command, key=f"wms/{store}/{kind}/{name}", digest=digest)


def _decoded(decoder: "msgspec.json.Decoder[Any]", payload: bytes) -> WmsDocument:
    if not payload:
        raise DocumentRefused(FrameFault.EMPTY, "the payload is empty")
    if len(payload) > FRAME_BYTES_MAX:
        detail = f"{len(payload)} bytes; at most {FRAME_BYTES_MAX} are allowed"
        raise DocumentRefused(FrameFault.TOO_LARGE, detail)
    try:
        document: WmsDocument = decoder.decode(payload)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise DocumentRefused(FrameFault.MALFORMED, str(error)) from error
    return document


def _advise_despatch(store: StoreId, document: DespatchAdviceDocument) -> AdviseDespatch:
    return AdviseDespatch(
        store=store,
        despatch_id=document.despatch_id,
        source=document.source,
        lines=[_line(line) for line in document.lines],
        expected_at_ms=_time_ms(document.expected_at),
        is_strict=document.is_strict,
        reorder_id=document.reorder_id,
    )


def _line(line: AdvisedLine) -> DespatchLine:
    try:
        gtin = parse_gtin(line.gtin)
    except InvalidIdentifier as error:
        raise DocumentRefused(Refusal.INVALID_GTIN, str(error)) from error
    return DespatchLine(
        gtin=gtin,
        quantity=line.quantity,
        measure=line.measure,
        sscc=line.sscc,
        epcs=tuple(bytes.fromhex(epc) for epc in line.epcs),
    )


def _set_reorder_status(store: StoreId, document: ReorderStatusDocument) -> SetReorderStatus:
    return SetReorderStatus(
        store=store,
        reorder_id=document.reorder_id,
        status=document.status,
        reference=document.reference,
        expected_at_ms=_time_ms(document.expected_at),
        quantity=document.quantity,
    )


def _time_ms(moment: datetime | None) -> int:
    if moment is None:
        return 0
    if moment < EPOCH:
        raise DocumentRefused(FrameFault.MALFORMED, f"expected_at: {moment} is before 1970")
    return (moment - EPOCH) // timedelta(milliseconds=1)


_READERS: Final[
    dict[str, tuple["msgspec.json.Decoder[Any]", Callable[[StoreId, Any], WmsCommand]]]
] = {
    DESPATCH_ADVICE: (msgspec.json.Decoder(DespatchAdviceDocument), _advise_despatch),
    REORDER_STATUS: (msgspec.json.Decoder(ReorderStatusDocument), _set_reorder_status),
}
