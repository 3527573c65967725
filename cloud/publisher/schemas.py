"""The published JSON schemas, generated from the types: `python -m cloud.publisher.schemas FOLDER`.

What integrators validate with is what we encode with. MessagePack frames have schemas as well: a
frame is an array, so each position is titled with its field, and binary stands for base64 text.
"""

import sys
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import msgspec
from msgspec import Struct

from protocol import documents, envelope, facts, updates, wms_documents
from protocol.codec import DOWN_BEFORE_SESSIONS, DOWN_VERSION, UP_VERSION

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
BINARY: Final = "Binary in MessagePack; write it as base64 text to validate it by this schema."

_MODULES: Final[tuple[ModuleType, ...]] = (documents, envelope, facts, updates, wms_documents)
_PUBLISHED: Final[dict[str, tuple[Any, str]]] = {
    "stock-1": (
        documents.StockDocument,
        "One SKU-location, retained on {root}/{store}/stock/{gtin}",
    ),
    "stock-array-1": (list[documents.StockDocument], "Changed states on {root}/{store}/stock"),
    "reorder-1": (
        documents.ReorderDocument,
        "One reorder, on {root}/{store}/reorders/{reorder_id}",
    ),
    "notice-array-1": (list[documents.NoticeDocument], "Notices on {root}/{store}/notices"),
    "agent-1": (documents.AgentDocument, "A store's agent, retained on {root}/{store}/agent"),
    "cloud-1": (documents.CloudDocument, "The cloud, retained on {root}/cloud/agent"),
    f"up-{UP_VERSION}": (envelope.UpFrame, "MessagePack frames on {root}/{store}/up/facts"),
    f"down-{DOWN_VERSION}": (envelope.DownFrame, "MessagePack frames on {root}/{store}/down/…"),
    "despatch-advice-1": (
        wms_documents.DespatchAdviceDocument,
        "Goods were shipped, on {root}/{store}/wms/despatch_advice",
    ),
    "reorder-status-1": (
        wms_documents.ReorderStatusDocument,
        "Where a reorder stands, on {root}/{store}/wms/reorder_status",
    ),
}
_WRITTEN_BY_OTHERS: Final = ("despatch-advice-1", "reorder-status-1")
"""Of these a field that has a default may be left out."""


def published() -> Iterator[tuple[str, bytes]]:
    """Return the name and text of every schema file."""
    for name, (document_type, title) in _PUBLISHED.items():
        schema = {"$schema": DIALECT, "title": title, **msgspec.json.schema(document_type)}
        for title_of_type, definition in schema["$defs"].items():
            is_ours = name not in _WRITTEN_BY_OTHERS
            _complete(definition, _type_named(title_of_type), is_ours=is_ours)
        text = msgspec.json.format(msgspec.json.encode(schema, order="sorted"), indent=2)
        yield f"{name}.json", text + b"\n"


def _type_named(name: str) -> type[Struct]:
    found: type[Struct] = next(vars(m)[name] for m in _MODULES if name in vars(m))
    return found


def _complete(definition: dict[str, Any], struct: type[Struct], *, is_ours: bool) -> None:
    """Say what the types alone do not: names of positions, and that we write every field."""
    definition["description"] = cleandoc(definition["description"])
    if definition["type"] == "object":
        if is_ours:
            definition["required"] = list(definition["properties"])
        return
    names = list(struct.__struct_fields__)
    if struct.__struct_config__.tag is not None:
        names.insert(0, "kind")
    # An array may be shorter than its type: a field with a default can be left out at the end.
    for item, name in zip(definition["prefixItems"], names, strict=True):
        _describe_binary(item)
        item["title"] = name
        if name == "schema_version":
            is_up = struct is envelope.UpFrame
            item["enum"] = [UP_VERSION] if is_up else [DOWN_BEFORE_SESSIONS, DOWN_VERSION]


def _describe_binary(item: dict[str, Any]) -> None:
    if "contentEncoding" in item:
        # Lengths count bytes in the type, and would count characters of base64 here.
        item.pop("minLength", None)
        item.pop("maxLength", None)
        item["description"] = BINARY
    if "items" in item:
        _describe_binary(item["items"])


def main() -> None:
    """Write every schema into the folder named on the command line."""
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in published():
        (folder / name).write_bytes(text)


if __name__ == "__main__":
    main()
