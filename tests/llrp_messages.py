"""LLRP messages for tests of the simulated reader, and a link that keeps what it was sent."""

from typing import Any

from llrpkit.protocol import LLRPMessage, decode_message, messages, params
from llrpkit.protocol.enums import (
    AirProtocols,
    AISpecStopTriggerType,
    ROReportTriggerType,
    ROSpecStartTriggerType,
    ROSpecStopTriggerType,
)

IMMEDIATE = params.ROSpecStartTrigger(ro_spec_start_trigger_type=ROSpecStartTriggerType.Immediate)
ON_REQUEST = params.ROSpecStartTrigger(ro_spec_start_trigger_type=ROSpecStartTriggerType.Null)
NEVER = params.ROSpecStopTrigger(ro_spec_stop_trigger_type=ROSpecStopTriggerType.Null)

EVERYTHING = params.TagReportContentSelector(
    enable_ro_spec_id=True,
    enable_spec_index=True,
    enable_inventory_parameter_spec_id=True,
    enable_antenna_id=True,
    enable_channel_index=True,
    enable_peak_rssi=True,
    enable_first_seen_timestamp=True,
    enable_last_seen_timestamp=True,
    enable_tag_seen_count=True,
    enable_access_spec_id=True,
)


def lasting(duration_ms: int) -> params.ROSpecStopTrigger:
    return params.ROSpecStopTrigger(
        ro_spec_stop_trigger_type=ROSpecStopTriggerType.Duration,
        duration_trigger_value=duration_ms,
    )


def ai_spec(stop: params.AISpecStopTrigger | None = None, antennas: tuple[int, ...] = (0,)) -> Any:
    inventory = params.InventoryParameterSpec(
        inventory_parameter_spec_id=1, protocol_id=AirProtocols.EPCGlobalClass1Gen2
    )
    return params.AISpec(
        antenna_ids=list(antennas),
        ai_spec_stop_trigger=stop or params.AISpecStopTrigger(),
        inventory_parameter_specs=[inventory],
    )


def ai_lasting(duration_ms: int) -> params.AISpecStopTrigger:
    return params.AISpecStopTrigger(
        ai_spec_stop_trigger_type=AISpecStopTriggerType.Duration, duration_trigger=duration_ms
    )


def report_spec(
    n: int = 0,
    trigger: ROReportTriggerType = ROReportTriggerType.Upon_N_Tags_Or_End_Of_AISpec,
    selector: params.TagReportContentSelector = EVERYTHING,
) -> params.ROReportSpec:
    return params.ROReportSpec(ro_report_trigger=trigger, n=n, tag_report_content_selector=selector)


def ro_spec(
    spec_id: int = 1,
    *,
    start: params.ROSpecStartTrigger = IMMEDIATE,
    stop: params.ROSpecStopTrigger = NEVER,
    ai_specs: list[Any] | None = None,
    report: params.ROReportSpec | None = None,
) -> params.ROSpec:
    return params.ROSpec(
        ro_spec_id=spec_id,
        ro_boundary_spec=params.ROBoundarySpec(
            ro_spec_start_trigger=start, ro_spec_stop_trigger=stop
        ),
        spec_parameters=ai_specs or [ai_spec()],
        ro_report_spec=report,
    )


class ListedLink:
    """A client's connection that keeps every frame, and is as slow as it is told to be."""

    peer = "client"

    def __init__(self) -> None:
        self.writable = True
        self.closed = False
        self.frames: list[bytes] = []

    def send(self, frame: bytes) -> None:
        assert not self.closed
        self.frames.append(frame)

    def close(self) -> None:
        self.closed = True

    def take(self) -> list[LLRPMessage]:
        taken = [decode_message(frame) for frame in self.frames]
        self.frames.clear()
        return taken


def tags_in(received: list[LLRPMessage]) -> list[params.TagReportData]:
    reports = [each for each in received if isinstance(each, messages.RO_ACCESS_REPORT)]
    return [tag for report in reports for tag in report.tag_report_datas]


def epcs_in(received: list[LLRPMessage]) -> list[bytes]:
    epcs = []
    for tag in tags_in(received):
        epc = tag.epc_parameter
        epcs.append(epc.epc if isinstance(epc, params.EPC_96) else epc.epc.data)
    return epcs


def events_in(received: list[LLRPMessage]) -> list[params.ReaderEventNotificationData]:
    return [
        each.reader_event_notification_data
        for each in received
        if isinstance(each, messages.READER_EVENT_NOTIFICATION)
    ]
