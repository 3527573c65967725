from typing import Any

import pytest
from llrpkit.protocol import impinj, params
from llrpkit.protocol.enums import (
    AISpecStopTriggerType,
    ROSpecStartTriggerType,
    ROSpecState,
    ROSpecStopTriggerType,
    TagObservationTriggerType,
)

from simulators.devices.llrp_reader.rospec import Change, RoSpecs
from simulators.devices.llrp_reader.statuses import RequestRefused
from tests.llrp_messages import NEVER, ON_REQUEST, ai_lasting, ai_spec, lasting, ro_spec

UTC_MS = 1_700_000_000_000


class Table:
    """A table of ROSpecs with the story of what happened in it."""

    def __init__(self, *specs: params.ROSpec) -> None:
        self.story: list[tuple[Any, ...]] = []
        self.specs = RoSpecs(antennas=4, gpi_ports=2, ro_specs_max=3, on_change=self._on_change)
        for spec in specs:
            self.specs.add(spec)

    def _on_change(self, change: Change) -> None:
        index = (change.spec_index,) if change.spec_index else ()
        self.story.append((change.kind, change.spec.ro_spec_id, *index))

    def enable(self, spec_id: int, now_ms: int = 0) -> None:
        self.specs.enable(spec_id, now_ms, UTC_MS + now_ms)
        self.specs.advance(now_ms)

    def run_until(self, now_ms: int) -> None:
        """Advance as a reader does: whenever something is due."""
        while (due_ms := self.specs.due_ms()) is not None and due_ms <= now_ms:
            self.specs.advance(due_ms)
        self.specs.advance(now_ms)

    def observe(self, epcs: list[bytes], now_ms: int) -> None:
        assert self.specs.run is not None
        self.specs.observed(self.specs.run, epcs, now_ms)

    @property
    def states(self) -> list[int]:
        return [spec.current_state for spec in self.specs.all()]


def observing(kind: TagObservationTriggerType, **values: int) -> params.AISpecStopTrigger:
    return params.AISpecStopTrigger(
        ai_spec_stop_trigger_type=AISpecStopTriggerType.Tag_Observation,
        tag_observation_trigger=params.TagObservationTrigger(trigger_type=kind, **values),
    )


def periodic(offset: int, period: int, utc_ms: int | None = None) -> params.ROSpecStartTrigger:
    utc = None if utc_ms is None else params.UTCTimestamp(microseconds=utc_ms * 1_000)
    return params.ROSpecStartTrigger(
        ro_spec_start_trigger_type=ROSpecStartTriggerType.Periodic,
        periodic_trigger_value=params.PeriodicTriggerValue(
            offset=offset, period=period, utc_timestamp=utc
        ),
    )


def gpi(port: int, high: bool, timeout: int = 0) -> params.GPITriggerValue:
    return params.GPITriggerValue(gpi_port_num=port, gpi_event=high, timeout=timeout)


def test_immediate_ro_spec_starts_when_enabled() -> None:
    table = Table(ro_spec(7))
    assert table.states == [ROSpecState.Disabled]
    table.enable(7)
    assert table.states == [ROSpecState.Active]
    assert table.story == [("started", 7)]


def test_null_trigger_waits_for_start() -> None:
    table = Table(ro_spec(start=ON_REQUEST))
    table.enable(1)
    table.run_until(10_000)
    assert table.states == [ROSpecState.Inactive]
    table.specs.start(1, 10_000)
    assert table.states == [ROSpecState.Active]


def test_stopped_ro_spec_stays_inactive_until_it_is_started() -> None:
    table = Table(ro_spec())
    table.enable(1)
    table.specs.stop(1, 50)
    table.run_until(10_000)
    assert table.states == [ROSpecState.Inactive]
    table.specs.start(1, 10_000)
    assert table.story == [("started", 1), ("ai_spec_ended", 1, 1), ("ended", 1), ("started", 1)]


def test_duration_ends_the_ro_spec() -> None:
    table = Table(ro_spec(stop=lasting(500)))
    table.enable(1)
    table.run_until(499)
    assert table.states == [ROSpecState.Active]
    table.run_until(500)
    assert table.states == [ROSpecState.Inactive]
    table.run_until(5_000)
    assert table.story == [("started", 1), ("ai_spec_ended", 1, 1), ("ended", 1)]


def test_ai_specs_are_executed_in_their_order() -> None:
    table = Table(
        ro_spec(start=ON_REQUEST, ai_specs=[ai_spec(ai_lasting(100)), ai_spec(ai_lasting(50))])
    )
    table.enable(1)
    table.specs.start(1, 0)
    table.run_until(149)
    assert table.story == [("started", 1), ("ai_spec_ended", 1, 1)]
    table.run_until(150)
    assert table.story[2:] == [("ai_spec_ended", 1, 2), ("ended", 1)]
    assert table.states == [ROSpecState.Inactive]


def test_immediate_ro_spec_starts_again_when_its_ai_specs_are_done() -> None:
    stop = observing(TagObservationTriggerType.Upon_Seeing_N_Tags_Or_Timeout, number_of_tags=3)
    table = Table(ro_spec(ai_specs=[ai_spec(stop)]))
    table.enable(1)
    table.observe([b"a", b"b"], 100)
    assert table.story == [("started", 1)]
    table.observe([b"a", b"b"], 200)
    assert table.story[1:] == [("ai_spec_ended", 1, 1), ("ended", 1), ("started", 1)]


def test_tag_observation_times_out() -> None:
    seeing = TagObservationTriggerType.Upon_Seeing_N_Tags_Or_Timeout
    stop = observing(seeing, number_of_tags=3, timeout=400)
    table = Table(ro_spec(start=ON_REQUEST, ai_specs=[ai_spec(stop)]))
    table.enable(1)
    table.specs.start(1, 0)
    table.run_until(400)
    assert table.states == [ROSpecState.Inactive]


def test_ai_spec_ends_when_no_new_tag_was_seen_for_a_time() -> None:
    kind = TagObservationTriggerType.Upon_Seeing_No_More_New_Tags_For_Tms_Or_Timeout
    table = Table(ro_spec(start=ON_REQUEST, ai_specs=[ai_spec(observing(kind, t=250))]))
    table.enable(1)
    table.specs.start(1, 0)
    for now_ms, epcs in ((100, [b"a"]), (200, [b"a", b"b"]), (300, [b"a"]), (400, [b"b"])):
        table.observe(epcs, now_ms)
    assert table.states == [ROSpecState.Active]
    table.observe([b"a", b"b"], 450)
    assert table.states == [ROSpecState.Inactive]


def test_ai_spec_ends_after_n_attempts() -> None:
    kind = TagObservationTriggerType.N_Attempts_To_See_All_Tags_In_FOV_Or_Timeout
    stop = observing(kind, number_of_attempts=2)
    table = Table(ro_spec(start=ON_REQUEST, ai_specs=[ai_spec(stop)]))
    table.enable(1)
    table.specs.start(1, 0)
    table.observe([], 100)
    assert table.states == [ROSpecState.Active]
    table.observe([], 200)
    assert table.states == [ROSpecState.Inactive]


def test_periodic_ro_spec_starts_at_its_offset_and_each_period() -> None:
    table = Table(ro_spec(start=periodic(100, 1_000), stop=lasting(200)))
    table.enable(1)
    starts = []
    for now_ms in range(0, 3_500, 10):
        before = len(table.story)
        table.run_until(now_ms)
        starts += [now_ms for each in table.story[before:] if each[0] == "started"]
    assert starts == [100, 1_100, 2_100, 3_100]


def test_period_that_passes_while_active_is_skipped() -> None:
    table = Table(ro_spec(start=periodic(0, 100), stop=lasting(250)))
    table.enable(1)
    table.run_until(299)
    assert [each[0] for each in table.story] == ["started", "ai_spec_ended", "ended"]
    table.run_until(300)
    assert table.story[-1] == ("started", 1)


@pytest.mark.parametrize(
    ("utc_ms", "period", "expected"),
    [(UTC_MS + 500, 0, 500), (UTC_MS - 300, 1_000, 700), (UTC_MS - 300, 0, None)],
)
def test_periodic_start_follows_the_readers_clock(
    utc_ms: int, period: int, expected: int | None
) -> None:
    table = Table(ro_spec(start=periodic(0, period, utc_ms)))
    table.enable(1)
    assert table.specs.due_ms() == expected


def test_second_ro_spec_waits_until_the_first_ends() -> None:
    table = Table(ro_spec(1, stop=lasting(500)), ro_spec(2), ro_spec(3, start=ON_REQUEST))
    table.enable(0)
    with pytest.raises(RequestRefused, match="ROSpec 1 is active"):
        table.specs.start(3, 100)
    assert table.states == [ROSpecState.Active, ROSpecState.Inactive, ROSpecState.Inactive]
    table.run_until(500)
    assert table.states == [ROSpecState.Inactive, ROSpecState.Active, ROSpecState.Inactive]


def test_gpi_starts_and_stops_a_ro_spec() -> None:
    start = params.ROSpecStartTrigger(
        ro_spec_start_trigger_type=ROSpecStartTriggerType.GPI, gpi_trigger_value=gpi(2, high=True)
    )
    stop = params.ROSpecStopTrigger(
        ro_spec_stop_trigger_type=ROSpecStopTriggerType.GPI_With_Timeout,
        gpi_trigger_value=gpi(2, high=False, timeout=1_000),
    )
    table = Table(ro_spec(start=start, stop=stop))
    table.enable(1)
    table.specs.gpi(1, high=True, now_ms=10)
    assert table.states == [ROSpecState.Inactive]
    table.specs.gpi(2, high=True, now_ms=20)
    assert table.states == [ROSpecState.Active]
    table.specs.gpi(2, high=False, now_ms=30)
    assert table.states == [ROSpecState.Inactive]
    table.specs.gpi(2, high=True, now_ms=40)
    table.run_until(1_040)
    assert table.states == [ROSpecState.Inactive]


def test_gpi_ends_an_ai_spec() -> None:
    stop = params.AISpecStopTrigger(
        ai_spec_stop_trigger_type=AISpecStopTriggerType.GPI_With_Timeout,
        gpi_trigger_value=gpi(1, high=True),
    )
    table = Table(ro_spec(start=ON_REQUEST, ai_specs=[ai_spec(stop), ai_spec()]))
    table.enable(1)
    table.specs.start(1, 0)
    table.specs.gpi(1, high=True, now_ms=10)
    assert table.story == [("started", 1), ("ai_spec_ended", 1, 1)]


def test_disable_and_delete_end_an_active_ro_spec() -> None:
    table = Table(ro_spec(1), ro_spec(2))
    table.enable(1)
    table.specs.disable(1, 10)
    assert table.states == [ROSpecState.Disabled, ROSpecState.Disabled]
    table.enable(2, 20)
    table.specs.delete(2, 30)
    assert len(table.specs.all()) == 1
    assert [each[0] for each in table.story] == ["started", "ai_spec_ended", "ended"] * 2


def test_id_zero_means_all_even_if_there_is_none() -> None:
    table = Table()
    table.specs.enable(0, 0, UTC_MS)
    table.specs.disable(0, 0)
    table.specs.delete(0, 0)
    table = Table(ro_spec(1), ro_spec(2))
    table.enable(0)
    table.specs.delete(0, 10)
    assert table.specs.all() == []


def test_enabling_twice_changes_nothing() -> None:
    table = Table(ro_spec())
    table.enable(1)
    table.enable(1, 100)
    assert table.story == [("started", 1)]


@pytest.mark.parametrize("action", ["enable", "disable", "delete", "start", "stop"])
def test_unknown_ro_spec_is_refused(action: str) -> None:
    table = Table()
    arguments = (9, 0, UTC_MS) if action == "enable" else (9, 0)
    with pytest.raises(RequestRefused, match="there is no ROSpec 9"):
        getattr(table.specs, action)(*arguments)


def test_start_and_stop_are_refused_in_the_wrong_state() -> None:
    table = Table(ro_spec())
    with pytest.raises(RequestRefused, match="not inactive"):
        table.specs.start(1, 0)
    with pytest.raises(RequestRefused, match="not active"):
        table.specs.stop(1, 0)
    table.enable(1)
    with pytest.raises(RequestRefused, match="not inactive"):
        table.specs.start(1, 0)


def with_filter() -> params.ROSpec:
    spec = ai_spec()
    mask = params.C1G2TagInventoryMask(mb=1, pointer=32)
    command = params.C1G2InventoryCommand(
        c1_g2_filters=[params.C1G2Filter(c1_g2_tag_inventory_mask=mask)]
    )
    spec.inventory_parameter_specs[0].antenna_configurations.append(
        params.AntennaConfiguration(air_protocol_inventory_command_settings=[command])
    )
    return ro_spec(ai_specs=[spec])


def with_state(state: ROSpecState) -> params.ROSpec:
    spec = ro_spec()
    spec.current_state = state
    return spec


SURVEY = params.RFSurveySpec(rf_survey_spec_stop_trigger=params.RFSurveySpecStopTrigger())
GPI_START = params.ROSpecStartTrigger(ro_spec_start_trigger_type=ROSpecStartTriggerType.GPI)


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        (ro_spec(0), "means all"),
        (with_state(ROSpecState.Active), "has to be disabled"),
        (ro_spec(stop=lasting(0)), "cannot last 0 ms"),
        (ro_spec(ai_specs=[ai_spec(ai_lasting(0))]), "cannot last 0 ms"),
        (ro_spec(ai_specs=[ai_spec(antennas=(1, 5))]), "antenna 5: there are 4"),
        (ro_spec(ai_specs=[ai_spec(antennas=())]), "without antennas"),
        (ro_spec(ai_specs=[SURVEY]), "RFSurveySpec is not supported"),
        (ro_spec(ai_specs=[impinj.ImpinjInventorySearchMode()]), "is not supported"),
        (ro_spec(ai_specs=[ai_spec()] * 9), "the most is 8"),
        (ro_spec(start=GPI_START), "GPITriggerValue is missing"),
        (
            ro_spec(start=params.ROSpecStartTrigger(ro_spec_start_trigger_type=9)),
            "is no ROSpecStartTriggerType",
        ),
        (with_filter(), "filters are not supported"),
    ],
)
def test_impossible_ro_spec_is_refused(spec: params.ROSpec, reason: str) -> None:
    table = Table()
    with pytest.raises(RequestRefused, match=reason):
        table.specs.add(spec)
    assert table.specs.all() == []


def test_ro_specs_are_bounded_and_unique() -> None:
    table = Table(ro_spec(1, stop=NEVER), ro_spec(2), ro_spec(3))
    with pytest.raises(RequestRefused, match="ROSpec 3 exists"):
        table.specs.add(ro_spec(3))
    with pytest.raises(RequestRefused, match="3 ROSpecs already"):
        table.specs.add(ro_spec(4))
