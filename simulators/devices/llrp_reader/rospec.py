"""ROSpecs: what clients asked a reader to do, and what it does now (LLRP 1.0.1 §10; pure).

Each ROSpec is in one of three states:

    Disabled --ENABLE--> Inactive --its start trigger or START--> Active
    Active --its stop trigger, its last AISpec's end or STOP--> Inactive
    any --DISABLE--> Disabled;  any --DELETE--> gone

The rules beyond that:

- One ROSpec is active at a time. Another one whose trigger fires waits until it ends (there is one
  priority only, §10.2.1); a START for it is refused.
- `Immediate` fires when the ROSpec is enabled, and again when it ends because its AISpecs did. So
  an AISpec that stops after N tags bounds a report and not the inventory, which is what clients
  use it for. A ROSpec that was stopped, by a client or by its own trigger, stays inactive.
- A period that passes while the ROSpec is active is skipped.
- An AISpec is left between inventory rounds and never amid one.

Times are the caller's monotonic milliseconds. Every change is told to `on_change`, in order.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

from llrpkit.protocol import params
from llrpkit.protocol.enums import ROSpecStartTriggerType, ROSpecState, StatusCode

from simulators.devices.llrp_reader.rospec_rules import require, require_usable
from simulators.devices.llrp_reader.rospec_run import RoSpecRun, fires


class Change(NamedTuple):
    """A ROSpec started or ended, or one of its AISpecs (of a one-based index) ended."""

    kind: Literal["started", "ai_spec_ended", "ended"]
    spec: params.ROSpec
    spec_index: int = 0


class _Entry:
    """One ROSpec; `due_ms` is when its start trigger fires next, if that is known."""

    def __init__(self, spec: params.ROSpec) -> None:
        self.spec = spec
        self.due_ms: int | None = None
        self.first_due_ms: int | None = None

    @property
    def enabled(self) -> bool:
        return self.spec.current_state != ROSpecState.Disabled


class RoSpecs:
    """All ROSpecs of a reader, and the run of the one that is active."""

    def __init__(
        self,
        *,
        antennas: int,
        gpi_ports: int,
        ro_specs_max: int,
        on_change: Callable[[Change], None],
    ) -> None:
        self._antennas = antennas
        self._gpi_ports = gpi_ports
        self._ro_specs_max = ro_specs_max
        self._on_change = on_change
        self._entries: dict[int, _Entry] = {}
        self.run: RoSpecRun | None = None

    def all(self) -> list[params.ROSpec]:
        """Every ROSpec with its current state, in the order of their creation."""
        return [entry.spec for entry in self._entries.values()]

    def restore(self, specs: list[params.ROSpec], now_ms: int, utc_ms: int) -> None:
        """Have the ROSpecs of an earlier life; those that were enabled are armed again."""
        for spec in specs:
            was_enabled = spec.current_state != ROSpecState.Disabled
            spec.current_state = ROSpecState.Disabled
            self._entries[spec.ro_spec_id] = _Entry(spec)
            if was_enabled:
                self.enable(spec.ro_spec_id, now_ms, utc_ms)

    def add(self, spec: params.ROSpec, *, extensions: bool = False) -> None:
        """Take a new, disabled ROSpec (§10.1.1). Raises `RequestRefused`."""
        require_usable(spec, self._antennas, self._gpi_ports, extensions=extensions)
        require(spec.ro_spec_id not in self._entries, f"ROSpec {spec.ro_spec_id} exists")
        room = len(self._entries) < self._ro_specs_max
        text = f"there are {len(self._entries)} ROSpecs already"
        require(room, text, StatusCode.M_OverflowParameter)
        self._entries[spec.ro_spec_id] = _Entry(spec)

    def enable(self, spec_id: int, now_ms: int, utc_ms: int) -> None:
        """Arm the start trigger of one ROSpec, or all with id 0. Raises `RequestRefused`."""
        for entry in self._chosen(spec_id):
            if not entry.enabled:
                entry.spec.current_state = ROSpecState.Inactive
                entry.due_ms = _first_due_ms(entry.spec, now_ms, utc_ms)
                entry.first_due_ms = entry.due_ms

    def disable(self, spec_id: int, now_ms: int) -> None:
        """Disarm, and end if active, one ROSpec, or all with id 0. Raises `RequestRefused`."""
        for entry in self._chosen(spec_id):
            self._end_if_active(entry, now_ms)
            entry.spec.current_state = ROSpecState.Disabled
            entry.due_ms = None

    def delete(self, spec_id: int, now_ms: int) -> None:
        """Delete, after ending it, one ROSpec, or all with id 0. Raises `RequestRefused`."""
        for entry in self._chosen(spec_id):
            self._end_if_active(entry, now_ms)
            del self._entries[entry.spec.ro_spec_id]

    def start(self, spec_id: int, now_ms: int) -> None:
        """Start one inactive ROSpec now (§10.1.5). Raises `RequestRefused`."""
        entry = self._one(spec_id)
        inactive = entry.spec.current_state == ROSpecState.Inactive
        require(inactive, f"ROSpec {spec_id} is not inactive", StatusCode.M_FieldError)
        running = self.run.spec.ro_spec_id if self.run else None
        text = f"ROSpec {running} is active, and one is the most"
        require(running is None, text, StatusCode.R_DeviceError)
        self._begin(entry, now_ms)

    def stop(self, spec_id: int, now_ms: int) -> None:
        """Stop one active ROSpec now (§10.1.7). Raises `RequestRefused`."""
        entry = self._one(spec_id)
        ended = self._end_if_active(entry, now_ms)
        require(ended, f"ROSpec {spec_id} is not active", StatusCode.M_FieldError)

    def advance(self, now_ms: int) -> None:
        """Let time have passed: end what is over, start what is due."""
        run = self.run
        if run is not None and run.over(now_ms):
            self._end(run, now_ms)
        elif run is not None and run.ai_spec_over(now_ms):
            self._leave_ai_spec(run, now_ms)
        if self.run is None:
            due = [e for e in self._entries.values() if e.due_ms is not None]
            first = min(due, key=lambda entry: entry.due_ms or 0, default=None)
            if first is not None and first.due_ms is not None and first.due_ms <= now_ms:
                self._begin(first, now_ms)

    def observed(self, run: RoSpecRun, epcs: list[bytes], now_ms: int) -> None:
        """One inventory round of the present run has ended, with these observations."""
        run.observed(epcs, now_ms)
        self.advance(now_ms)

    def gpi(self, port: int, high: bool, now_ms: int) -> None:
        """An enabled input port changed its level (§10.2.1.1.1.2)."""
        run = self.run
        if run is not None and run.stopped_by(port, high):
            self._end(run, now_ms)
        elif run is not None and run.ai_spec_stopped_by(port, high):
            self._leave_ai_spec(run, now_ms)
        for entry in self._entries.values():
            start = entry.spec.ro_boundary_spec.ro_spec_start_trigger
            by_gpi = start.ro_spec_start_trigger_type == ROSpecStartTriggerType.GPI
            inactive = entry.spec.current_state == ROSpecState.Inactive
            if inactive and by_gpi and fires(start.gpi_trigger_value, port, high):
                entry.due_ms = now_ms
        self.advance(now_ms)

    def due_ms(self) -> int | None:
        """When `advance` has something to do next, if time alone decides."""
        if self.run is not None:
            return self.run.due_ms
        due = [entry.due_ms for entry in self._entries.values() if entry.due_ms is not None]
        return min(due, default=None)

    def _begin(self, entry: _Entry, now_ms: int) -> None:
        entry.spec.current_state = ROSpecState.Active
        entry.due_ms = None
        self.run = RoSpecRun(entry.spec, self._antennas, now_ms)
        self._on_change(Change("started", entry.spec))

    def _leave_ai_spec(self, run: RoSpecRun, now_ms: int) -> None:
        self._on_change(Change("ai_spec_ended", run.spec, run.spec_index))
        if not run.enter_next_ai_spec(now_ms):
            self._close(run, now_ms, completed=True)

    def _end(self, run: RoSpecRun, now_ms: int) -> None:
        self._on_change(Change("ai_spec_ended", run.spec, run.spec_index))
        self._close(run, now_ms, completed=False)

    def _end_if_active(self, entry: _Entry, now_ms: int) -> bool:
        run = self.run
        if run is None or run.spec is not entry.spec:
            return False
        self._end(run, now_ms)
        return True

    def _close(self, run: RoSpecRun, now_ms: int, *, completed: bool) -> None:
        self.run = None
        entry = self._entries[run.spec.ro_spec_id]
        entry.spec.current_state = ROSpecState.Inactive
        entry.due_ms = _next_due_ms(entry, now_ms, completed=completed)
        self._on_change(Change("ended", run.spec))

    def _one(self, spec_id: int) -> _Entry:
        there = spec_id in self._entries
        require(there, f"there is no ROSpec {spec_id}", StatusCode.M_FieldError)
        return self._entries[spec_id]

    def _chosen(self, spec_id: int) -> list[_Entry]:
        return list(self._entries.values()) if spec_id == 0 else [self._one(spec_id)]


def _first_due_ms(spec: params.ROSpec, now_ms: int, utc_ms: int) -> int | None:
    start = spec.ro_boundary_spec.ro_spec_start_trigger
    if start.ro_spec_start_trigger_type == ROSpecStartTriggerType.Immediate:
        return now_ms
    periodic = start.periodic_trigger_value
    if start.ro_spec_start_trigger_type != ROSpecStartTriggerType.Periodic or periodic is None:
        return None
    first_ms = now_ms + periodic.offset
    if periodic.utc_timestamp is not None:
        first_ms += periodic.utc_timestamp.microseconds // 1_000 - utc_ms
    return _not_before(first_ms, periodic.period, now_ms)


def _next_due_ms(entry: _Entry, now_ms: int, *, completed: bool) -> int | None:
    start = entry.spec.ro_boundary_spec.ro_spec_start_trigger
    if start.ro_spec_start_trigger_type == ROSpecStartTriggerType.Immediate:
        return now_ms if completed else None
    periodic = start.periodic_trigger_value
    if periodic is None or entry.first_due_ms is None:
        return None
    return _not_before(entry.first_due_ms, periodic.period, now_ms + 1)


def _not_before(first_ms: int, period_ms: int, now_ms: int) -> int | None:
    """The first start that is not past; a single start that is past never comes."""
    if first_ms >= now_ms:
        return first_ms
    if period_ms == 0:
        return None
    return now_ms + (first_ms - now_ms) % period_ms
