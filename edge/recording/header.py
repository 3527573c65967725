"""A recording's header: the store, and the settings that sensing needs to understand it."""

from importlib.metadata import version
from typing import Any, Final

import msgspec
from msgspec import Struct

from edge.config import EdgeSettings
from edge.recording.records import FORMAT_VERSION, DeviceHeader, Header

LEFT_OUT: Final = frozenset(
    ("archive", "device", "host", "path", "port", "quarantine", "serial_port", "spool", "url")
)
"""Where a device is reached is nobody's business but the store's, and nothing to a replay."""


def header_of(settings: EdgeSettings, monotonic_ms: int, utc_ms: int) -> Header:
    """Return the header of a recording that begins now."""
    return Header(
        format_version=FORMAT_VERSION,
        store=settings.store,
        agent_version=version("stocktruth"),
        started_utc_ms=utc_ms,
        started_monotonic_ms=monotonic_ms,
        devices=[
            DeviceHeader(name=device.name, kind=kind, settings=_relevant(device))
            for kind, devices in devices_of(settings).items()
            for device in devices
        ],
        settings={
            "tags": msgspec.to_builtins(settings.tags),
            "portals": msgspec.to_builtins(settings.portals),
        },
    )


def devices_of(settings: EdgeSettings) -> dict[str, list[Any]]:
    """Return the settings' `[[tables]]` of devices, by kind; a portal is no device."""
    tables = {
        field.name: getattr(settings, field.name) for field in msgspec.structs.fields(EdgeSettings)
    }
    return {
        kind: table
        for kind, table in tables.items()
        if isinstance(table, list) and kind != "portals"
    }


def _relevant(table: Struct) -> dict[str, Any]:
    settings: dict[str, Any] = msgspec.to_builtins(table)
    return {name: value for name, value in settings.items() if name not in LEFT_OUT}
