"""Impinj's extensions of LLRP (Octane), as far as sllurp and llrpkit use them (pure).

They are off until a client enables them on its connection; before that, as for parameters that
this reader does not have at all, a request with one is refused as a whole. Phases are in 1/4096
of a turn, Doppler shifts in 1/16 Hz, RSSI in 1/100 dBm (llrpkit, `TagReport.from_param`).
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from llrpkit.protocol import LLRPParameter, impinj, params
from llrpkit.protocol.enums import StatusCode

from simulators.devices.llrp_reader.statuses import RequestRefused

PHASES_PER_TURN: Final = 4_096
DOPPLER_PER_HZ: Final = 16
RSSI_PER_DB: Final = 100

SEARCH_MODES: Final = frozenset(impinj.ImpinjInventorySearchType)
_SELECTOR_UNKNOWN: Final = ("impinj_enable_gps_coordinates", "impinj_enable_optimized_read")


class OctaneContent(NamedTuple):
    """What a client wants in each tag's report beyond what LLRP has."""

    phase: bool = False
    peak_rssi: bool = False
    doppler: bool = False
    tid: bool = False


def content_of(report: params.ROReportSpec) -> OctaneContent:
    """Return what a report specification that was taken asks for."""
    for selector in report.custom:
        if isinstance(selector, impinj.ImpinjTagReportContentSelector):
            phase, doppler = (
                selector.impinj_enable_rf_phase_angle,
                selector.impinj_enable_rf_doppler_frequency,
            )
            rssi, tid = selector.impinj_enable_peak_rssi, selector.impinj_enable_serialized_t_id
            return OctaneContent(
                phase=phase is not None and bool(phase.rf_phase_angle_mode),
                peak_rssi=rssi is not None and bool(rssi.peak_rssi_mode),
                doppler=doppler is not None and bool(doppler.rf_doppler_frequency_mode),
                tid=tid is not None and bool(tid.serialized_t_id_mode),
            )
    return OctaneContent()


def require_report_extensions(extensions: Iterable[LLRPParameter], *, enabled: bool) -> None:
    """Raise `RequestRefused` for an extension of a ROReportSpec that cannot be followed."""
    for each in extensions:
        if not enabled or not isinstance(each, impinj.ImpinjTagReportContentSelector):
            raise _unsupported(each)
        for unknown in _SELECTOR_UNKNOWN:
            part = getattr(each, unknown)
            if part is not None:
                raise _unsupported(part)


def require_command_extensions(extensions: Iterable[LLRPParameter], *, enabled: bool) -> None:
    """Raise `RequestRefused` for an extension of a C1G2InventoryCommand that is impossible."""
    for each in extensions:
        if not enabled or not isinstance(each, impinj.ImpinjInventorySearchMode):
            raise _unsupported(each)
        if each.inventory_search_mode not in SEARCH_MODES:
            text = f"{each.inventory_search_mode} is no search mode"
            raise RequestRefused(StatusCode.P_FieldError, text)


def require_none(extensions: Iterable[LLRPParameter]) -> None:
    """Raise `RequestRefused` where this reader has no extensions."""
    for each in extensions:
        raise _unsupported(each)


def requested(extensions: Iterable[LLRPParameter], *, enabled: bool) -> set[int]:
    """Return which data a GET asks for beyond LLRP's. Raises `RequestRefused`."""
    wanted = set()
    for each in extensions:
        if not enabled or not isinstance(each, impinj.ImpinjRequestedData):
            raise _unsupported(each)
        wanted.add(int(each.requested_data))
    return wanted


def configuration(wanted: set[int], temperature_c: int) -> list[LLRPParameter]:
    """Return the wanted parts of the configuration. Raises `RequestRefused`."""
    kinds = impinj.ImpinjRequestedDataType
    known = {kinds.All_Configuration, kinds.Impinj_Reader_Temperature}
    if not wanted <= known:
        text = f"ImpinjRequestedData {min(wanted - known)} is not supported"
        raise RequestRefused(StatusCode.P_FieldError, text)
    return [impinj.ImpinjReaderTemperature(temperature=temperature_c)] if wanted else []


def _unsupported(what: LLRPParameter) -> RequestRefused:
    name = type(what).__name__
    if isinstance(what, impinj.ImpinjTagReportContentSelector | impinj.ImpinjInventorySearchMode):
        name += " without IMPINJ_ENABLE_EXTENSIONS"
    return RequestRefused(StatusCode.P_UnsupportedParameter, f"{name} is not supported")
