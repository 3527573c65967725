"""One run of `record`: the drivers of a store under their supervisor, with the recorder as tap.

Nothing is decided and nothing is sent: what the drivers conclude goes nowhere.
"""

import random
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from edge.assembly import clock_ms, device_specs, monotonic_ms
from edge.config import EdgeSettings
from edge.devices.driver import Health
from edge.devices.status import StatusBoard
from edge.devices.supervisor import DeviceSpec, RestartPolicy, Supervisor
from edge.recording.errors import RecordingRefused
from edge.recording.header import devices_of
from edge.recording.nowhere import NowhereOutbox, NowhereSink
from edge.recording.settings import RecordingSettings
from edge.recording.spool import SpoolRecorder
from edge.recording.starting import recorder_at
from protocol.documents import DeviceStatus

LOOK_EVERY_S: Final = 0.2
ACTING_KINDS: Final = ("receipt_printer",)
"""Devices that tell nothing and do something; nothing must happen because of a recording."""


def only(settings: EdgeSettings, devices: Sequence[str]) -> EdgeSettings:
    """Return the settings with these devices alone, or with all that tell anything.

    Raises `RecordingRefused`.
    """
    tables = {
        kind: [] if kind in ACTING_KINDS else each for kind, each in devices_of(settings).items()
    }
    known = [device.name for table in tables.values() for device in table]
    if not known:
        raise RecordingRefused(f"store {settings.store} has no devices to record")
    for name in devices:
        if name not in known:
            raise RecordingRefused(f"--device {name}: no such device; known are {', '.join(known)}")
    kept = {
        kind: [device for device in table if not devices or device.name in devices]
        for kind, table in tables.items()
    }
    return msgspec.structs.replace(settings, **kept)


class RecordingSession:
    """Records the devices in `settings` into a new file. Raises `RecordingRefused`."""

    def __init__(self, settings: EdgeSettings, out: Path, recording: RecordingSettings) -> None:
        self._out = out
        self._recorder = recorder_at(out, settings, recording, clock_ms, monotonic_ms)
        self._board = StatusBoard(_ignore)
        self._specs = list(self._devices(settings))
        self._devices_told: list[DeviceStatus] = []

    @property
    def failure(self) -> str:
        """Why the file could not be written, or nothing."""
        return self._recorder.failure

    def run(self, stopping: threading.Event, for_s: float | None) -> None:
        """Record until `stopping`, the end of `for_s`, or the end of the file."""
        self._recorder.start()
        chance = random.Random()  # noqa: S311 # It only spreads restarts.
        supervisor = Supervisor.start(
            self._specs, self._board, RestartPolicy(), chance, monotonic_ms
        )
        ends_s = None if for_s is None else time.monotonic() + for_s
        while not stopping.is_set() and (ends_s is None or time.monotonic() < ends_s):
            left_s = LOOK_EVERY_S if ends_s is None else max(0.0, ends_s - time.monotonic())
            stopping.wait(min(LOOK_EVERY_S, left_s))
            if self._recorder.wait_until_over(0):
                break
        self._devices_told = self._board.snapshot()
        supervisor.stop()
        self._recorder.close()

    def told(self) -> Iterator[str]:
        """Yield what was recorded, in words."""
        recorder = self._recorder
        ending = ", which is full" if recorder.state == "full" else ""
        yield f"{self._out}: {recorder.written_bytes} bytes{ending}"
        if recorder.dropped_records:
            yield f"{recorder.dropped_records} records were dropped: the disk is too slow"
        for device in self._devices_told:
            yield f"{device.name}: {device.readings} readings; {device.health} {device.detail}"

    def _devices(self, settings: EdgeSettings) -> Iterator[DeviceSpec]:
        tills = settings.pos_journal
        others = msgspec.structs.replace(settings, pos_journal=[])
        yield from device_specs(others, NowhereSink(), NowhereOutbox(), self._recorder)
        for till in tills:
            yield DeviceSpec(
                till.name, SpoolRecorder.kind, partial(SpoolRecorder, till, self._recorder)
            )


def _ignore(name: str, health: Health, detail: str) -> None:
    """Tell nobody."""
