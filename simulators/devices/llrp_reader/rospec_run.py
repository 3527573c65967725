"""One run of a ROSpec through its AISpecs, and when each of them is over (LLRP 1.0.1 §10.2; pure).

Times are the caller's monotonic milliseconds.
"""

from llrpkit.protocol import params
from llrpkit.protocol.enums import (
    AISpecStopTriggerType,
    ROSpecStopTriggerType,
    TagObservationTriggerType,
)

from simulators.devices.llrp_reader.rospec_rules import ALL_ANTENNAS


class RoSpecRun:
    """A ROSpec between its start and its end."""

    def __init__(self, spec: params.ROSpec, antennas: int, now_ms: int) -> None:
        self.spec = spec
        self._antennas = antennas
        self._ai_specs = [part for part in spec.spec_parameters if isinstance(part, params.AISpec)]
        self._ends_ms = _ro_spec_ends_ms(spec.ro_boundary_spec.ro_spec_stop_trigger, now_ms)
        self.spec_index = 0
        self.enter_next_ai_spec(now_ms)

    @property
    def ai_spec(self) -> params.AISpec:
        """The AISpec that is executed now."""
        return self._ai_specs[self.spec_index - 1]

    @property
    def antennas(self) -> list[int]:
        """The antennas of the AISpec that is executed now."""
        if ALL_ANTENNAS in self.ai_spec.antenna_ids:
            return list(range(1, self._antennas + 1))
        return list(dict.fromkeys(self.ai_spec.antenna_ids))

    @property
    def due_ms(self) -> int | None:
        """When time alone ends the ROSpec or its AISpec."""
        ends = [end for end in (self._ends_ms, self._ai_spec_ends_ms) if end is not None]
        return min(ends, default=None)

    def enter_next_ai_spec(self, now_ms: int) -> bool:
        """Go on with the next AISpec; false if there is none."""
        if self.spec_index == len(self._ai_specs):
            return False
        self.spec_index += 1
        self._observation = _Observation(self.ai_spec.ai_spec_stop_trigger, now_ms)
        self._ai_spec_ends_ms = _ai_spec_ends_ms(self.ai_spec.ai_spec_stop_trigger, now_ms)
        return True

    def over(self, now_ms: int) -> bool:
        """The ROSpec's own time is up."""
        return self._ends_ms is not None and now_ms >= self._ends_ms

    def ai_spec_over(self, now_ms: int) -> bool:
        """The AISpec's time is up, or it has observed what it was to observe."""
        if self._ai_spec_ends_ms is not None and now_ms >= self._ai_spec_ends_ms:
            return True
        return self._observation.satisfied(now_ms)

    def observed(self, epcs: list[bytes], now_ms: int) -> None:
        """One inventory round has ended, with these observations."""
        self._observation.add(epcs, now_ms)

    def stopped_by(self, port: int, high: bool) -> bool:
        """An input port's change stops the ROSpec."""
        stop = self.spec.ro_boundary_spec.ro_spec_stop_trigger
        by_gpi = stop.ro_spec_stop_trigger_type == ROSpecStopTriggerType.GPI_With_Timeout
        return by_gpi and fires(stop.gpi_trigger_value, port, high)

    def ai_spec_stopped_by(self, port: int, high: bool) -> bool:
        """An input port's change stops the AISpec."""
        stop = self.ai_spec.ai_spec_stop_trigger
        by_gpi = stop.ai_spec_stop_trigger_type == AISpecStopTriggerType.GPI_With_Timeout
        return by_gpi and fires(stop.gpi_trigger_value, port, high)


class _Observation:
    """What an AISpec with a tag observation trigger has seen so far (§10.2.2.1.1)."""

    def __init__(self, stop: params.AISpecStopTrigger, now_ms: int) -> None:
        observes = stop.ai_spec_stop_trigger_type == AISpecStopTriggerType.Tag_Observation
        self._trigger = stop.tag_observation_trigger if observes else None
        self._observations = 0
        self._rounds = 0
        self._known: set[bytes] = set()
        self._last_new_ms = now_ms

    def add(self, epcs: list[bytes], now_ms: int) -> None:
        if self._trigger is None:
            return
        self._rounds += 1
        self._observations += len(epcs)
        known_before = len(self._known)
        self._known.update(epcs)
        if len(self._known) > known_before:
            self._last_new_ms = now_ms

    def satisfied(self, now_ms: int) -> bool:
        trigger = self._trigger
        if trigger is None or self._rounds == 0:
            return False
        if trigger.trigger_type == TagObservationTriggerType.Upon_Seeing_N_Tags_Or_Timeout:
            return self._observations >= trigger.number_of_tags
        attempts = TagObservationTriggerType.N_Attempts_To_See_All_Tags_In_FOV_Or_Timeout
        if trigger.trigger_type == attempts:
            return self._rounds >= trigger.number_of_attempts
        return now_ms - self._last_new_ms >= trigger.t


def fires(trigger: params.GPITriggerValue | None, port: int, high: bool) -> bool:
    """An input port's change to this level is what a trigger waits for."""
    return trigger is not None and (trigger.gpi_port_num, trigger.gpi_event) == (port, high)


def _ro_spec_ends_ms(stop: params.ROSpecStopTrigger, now_ms: int) -> int | None:
    if stop.ro_spec_stop_trigger_type == ROSpecStopTriggerType.Duration:
        return now_ms + stop.duration_trigger_value
    if stop.ro_spec_stop_trigger_type == ROSpecStopTriggerType.GPI_With_Timeout:
        return _timeout_ms(stop.gpi_trigger_value, now_ms)
    return None


def _ai_spec_ends_ms(stop: params.AISpecStopTrigger, now_ms: int) -> int | None:
    if stop.ai_spec_stop_trigger_type == AISpecStopTriggerType.Duration:
        return now_ms + stop.duration_trigger
    if stop.ai_spec_stop_trigger_type == AISpecStopTriggerType.GPI_With_Timeout:
        return _timeout_ms(stop.gpi_trigger_value, now_ms)
    if stop.ai_spec_stop_trigger_type == AISpecStopTriggerType.Tag_Observation:
        return _timeout_ms(stop.tag_observation_trigger, now_ms)
    return None


def _timeout_ms(
    trigger: params.GPITriggerValue | params.TagObservationTrigger | None, now_ms: int
) -> int | None:
    """When a trigger's fail-safe ends it; a timeout of 0 stands for none."""
    return now_ms + trigger.timeout if trigger is not None and trigger.timeout else None
