"""Reads and writes of documents, whatever their kind: the part that their routes share."""

from collections.abc import Iterator
from itertools import takewhile
from typing import Final, TypeVar

import msgspec
from msgspec import Struct

from cloud.api.cursors import TEXT, decode_cursor, encode_cursor, first_of
from cloud.api.fields import version_of
from cloud.api.idempotency import Asked
from cloud.api.problems import invalid, unknown
from cloud.api.services import Services, record_in
from cloud.commands.documents import DocumentKind, SetDocument
from cloud.journal.port import JournalReader
from cloud.records import decode_record
from cloud.records.document import Document
from cloud.shards.messages import Done
from protocol.ids import CLOUD_STORE_ID

B = TypeVar("B", bound=Struct)

DOCUMENT_BYTES_MAX: Final = 1_048_576
"""What the command may carry; a larger one could be journalled and never be read again."""

_encoder: Final = msgspec.json.Encoder()


async def read_document(services: Services, kind: DocumentKind, name: str) -> Document:
    """Return the newest version, or raise that there is none."""
    found = await find_document(services, kind, name)
    if found is None or not found.body:
        raise unknown(f"there is no {kind} {name}")
    return found


async def find_document(services: Services, kind: DocumentKind, name: str) -> Document | None:
    """Return the newest version, if there ever was one."""
    row = await services.reads.at_one_moment(
        lambda reader: reader.record(Document.KIND, CLOUD_STORE_ID, f"{kind}/{name}")
    )
    return None if row is None else decode_record(Document, row.data)


async def list_documents(
    services: Services, kind: DocumentKind, cursor: str | None, limit: int
) -> tuple[list[Document], str | None]:
    """Return documents of a kind by name, and the cursor to the next of them."""
    after = decode_cursor(cursor, TEXT) or ""
    found, more = await services.reads.at_one_moment(
        lambda reader: first_of(_documents(reader, kind, after), limit)
    )
    return found, encode_cursor(name_of(found[-1])) if more else None


def _documents(reader: JournalReader, kind: DocumentKind, after: str) -> Iterator[Document]:
    start = (CLOUD_STORE_ID, f"{kind}/{after}")
    rows = reader.records(Document.KIND, CLOUD_STORE_ID, after=start)
    for row in takewhile(lambda row: row.id.startswith(f"{kind}/"), rows):
        if row.is_open:
            yield decode_record(Document, row.data)


async def write_document(
    services: Services,
    kind: DocumentKind,
    name: str,
    body: Struct | None,
    keyed: Asked,
    if_match: str | None,
) -> tuple[Document, Done]:
    """Set the newest version (`None` removes it), and return it after the commit."""
    data = b"" if body is None else _encoder.encode(body)
    if len(data) > DOCUMENT_BYTES_MAX:
        raise invalid("body", f"a document has {DOCUMENT_BYTES_MAX} bytes at most")
    command = SetDocument(
        store=CLOUD_STORE_ID,
        key=keyed.key,
        digest=keyed.digest,
        kind=kind,
        id=name,
        body=data,
        if_version=version_of(if_match),
    )
    done = await services.carry_out(command, by_precondition=if_match is not None)
    return record_in(Document, done), done


def name_of(document: Document) -> str:
    """Return the id of a document without its kind."""
    return document.id.partition("/")[2]


def body_of(kind: type[B], document: Document) -> B:
    """Return the content of a document."""
    return msgspec.json.decode(document.body, type=kind)
