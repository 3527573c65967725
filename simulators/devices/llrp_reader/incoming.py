"""A client's frame becomes a message, or a reason why it cannot (LLRP 1.0.1 §14, §16.1; pure)."""

from collections.abc import Iterator
from dataclasses import fields
from typing import Any, Final

from llrpkit.exceptions import MessageDecodeError
from llrpkit.protocol import LLRPMessage, decode_message, messages
from llrpkit.protocol.codec import TYPE_CUSTOM, LLRPStruct
from llrpkit.protocol.enums import StatusCode

from simulators.devices.llrp_reader.statuses import RequestRefused

VERSION: Final = 1  # LLRP 1.0.1

_TYPES_TAKEN: Final = frozenset(
    message.MESSAGE_TYPE
    for message in (
        messages.GET_READER_CAPABILITIES,
        messages.GET_READER_CONFIG,
        messages.SET_READER_CONFIG,
        messages.CLOSE_CONNECTION,
        messages.ADD_ROSPEC,
        messages.DELETE_ROSPEC,
        messages.START_ROSPEC,
        messages.STOP_ROSPEC,
        messages.ENABLE_ROSPEC,
        messages.DISABLE_ROSPEC,
        messages.GET_ROSPECS,
        messages.ADD_ACCESSSPEC,
        messages.DELETE_ACCESSSPEC,
        messages.ENABLE_ACCESSSPEC,
        messages.DISABLE_ACCESSSPEC,
        messages.GET_ACCESSSPECS,
        messages.GET_REPORT,
        messages.ENABLE_EVENTS_AND_REPORTS,
        messages.KEEPALIVE_ACK,
    )
) | {TYPE_CUSTOM}


def message_id(frame: bytes) -> int:
    """The id that a whole frame carries, whatever else is wrong with it."""
    return int.from_bytes(frame[6:10], "big")


def decode(frame: bytes) -> LLRPMessage:
    """The message in a whole frame. Raises `RequestRefused` with the status for ERROR_MESSAGE."""
    header = int.from_bytes(frame[:2], "big")
    version, kind = header >> 10 & 0x7, header & 0x3FF
    if version != VERSION:
        text = f"protocol version {version}: only 1 (LLRP 1.0.1) is spoken"
        raise RequestRefused(StatusCode.M_UnsupportedVersion, text)
    if kind not in _TYPES_TAKEN:
        text = f"message type {kind} is not supported"
        raise RequestRefused(StatusCode.M_UnsupportedMessage, text)
    try:
        message = decode_message(frame)
    except MessageDecodeError as error:
        raise RequestRefused(StatusCode.M_ParameterError, str(error)) from error
    except RecursionError as error:
        text = "parameters are nested too deeply"
        raise RequestRefused(StatusCode.M_ParameterError, text) from error
    for unexpected in _unexpected(message):
        raise RequestRefused(StatusCode.M_UnexpectedParameter, f"unexpected {unexpected}")
    return message


def _unexpected(of: LLRPStruct) -> Iterator[str]:
    """The parameters, at any depth, that have no place where they are."""
    for parameter in of.unbound_params:
        yield f"{type(parameter).__name__} in {type(of).__name__}"
    # Every message and parameter of the codec is a dataclass, though their base class is not.
    declared: Any = of
    for field in fields(declared):
        value = getattr(of, field.name)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, LLRPStruct):
                yield from _unexpected(part)
