"""Sensing over a replay's inputs: tags, shelves and tills, through the code that runs live.

No clock and no thread: an input goes in, the facts that follow come out. A search makes one of
these for each set of parameters that it tries.
"""

import logging
from collections import Counter
from typing import NamedTuple

import msgspec

from edge.assembly import tag_layout
from edge.config import EdgeSettings
from edge.devices.shelf_scale import ShelfScaleDriver
from edge.devices.tag_tracker import restored_sensing
from edge.devices.till_documents import TillDocuments
from edge.recording.errors import RecordingInvalid
from edge.recording.nowhere import SILENT
from edge.replay.inputs import (
    Begins,
    Document,
    Held,
    Input,
    ScaleOpened,
    ShelvesWeighed,
    TagsRead,
)
from edge.replay.outbox import ReplayOutbox
from edge.sensing.poslog_xml import PoslogRejected
from edge.sensing.tags import TagSensing
from protocol.facts import AnyFact

_log = logging.getLogger(__name__)


class SensedFact(NamedTuple):
    """A fact, and when it was decided: milliseconds since the recording began."""

    at_ms: int
    fact: AnyFact


class ReplaySensing:
    """Everything that turns inputs into facts, for one recording and one set of parameters."""

    def __init__(self, settings: EdgeSettings) -> None:
        self._settings = settings
        self._outbox = ReplayOutbox()
        self._layout = tag_layout(settings)
        self._tags: TagSensing | None = None
        self._scales: dict[str, ShelfScaleDriver] = {}
        self._scale_settings = {each.name: each for each in settings.shelf_scale}
        self._tills: dict[str, TillDocuments] = {}
        self._till_settings = {each.name: each for each in settings.pos_journal}
        self.refused_documents = 0
        self.unknown_devices: Counter[str] = Counter()

    @property
    def known_tags(self) -> int:
        """How many tags the register holds."""
        return 0 if self._tags is None else self._tags.known_tags

    def sense(self, given: Input) -> list[SensedFact]:
        """Return the facts that follow from one input. Raises `RecordingInvalid`."""
        match given:
            case TagsRead():
                self._tags_read(given)
            case ShelvesWeighed():
                self._weighed(given)
            case Document():
                self._document(given)
            case Held():
                self._outbox.hold(given.values)
            case Begins():
                self._tags = self._restored(given.utc_ms)
            case ScaleOpened():
                self._scales.pop(given.device, None)
        return [SensedFact(given.at_ms, fact) for fact in self._outbox.take()]

    def _restored(self, utc_ms: int) -> TagSensing:
        try:
            return restored_sensing(self._layout, self._settings.tags, self._outbox, utc_ms)
        except (msgspec.MsgspecError, ValueError, LookupError) as error:
            raise RecordingInvalid(f"its tag register is malformed: {error}") from error

    def _tags_read(self, given: TagsRead) -> None:
        if self._tags is None:
            self._tags = self._restored(given.utc_ms)
        facts, checkpoints = self._tags.observe(given.readings, given.utc_ms)
        self._outbox.append(facts, checkpoints)

    def _weighed(self, given: ShelvesWeighed) -> None:
        scale = self._scales.get(given.device)
        if scale is None:
            settings = self._scale_settings.get(given.device)
            if settings is None:
                self.unknown_devices[given.device] += 1
                return
            scale = ShelfScaleDriver(settings, self._outbox, lambda: given.utc_ms)
            scale.listen(SILENT)
            self._scales[given.device] = scale
        scale.take(given.address, given.registers, given.utc_ms)

    def _document(self, given: Document) -> None:
        till = self._tills.get(given.device)
        if till is None:
            settings = self._till_settings.get(given.device)
            if settings is None:
                self.unknown_devices[given.device] += 1
                return
            till = self._tills[given.device] = TillDocuments(settings, self._outbox)
        try:
            found = till.understand("a recorded document", given.data, {})
        except PoslogRejected as error:
            _log.info("%s: %s", given.device, error)
            self.refused_documents += 1
            return
        self._outbox.append(found.facts, till.checkpoints(found.documents))
        till.committed(found.documents)
