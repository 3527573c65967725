"""READER_EVENT_NOTIFICATION messages (LLRP 1.0.1 §13.1.5, §13.2.6; pure)."""

from llrpkit.protocol import LLRPParameter, messages, params
from llrpkit.protocol.enums import (
    AISpecEventType,
    AntennaEventType,
    ConnectionAttemptStatusType,
    ROSpecEventType,
)

Event = messages.READER_EVENT_NOTIFICATION
Stamp = params.UTCTimestamp | params.Uptime


def connection_attempt(stamp: Stamp, status: ConnectionAttemptStatusType) -> Event:
    """Say how a connection attempt ended, or tell the connected client of another one."""
    return _event(stamp, connection_attempt_event=params.ConnectionAttemptEvent(status=status))


def connection_close(stamp: Stamp) -> Event:
    """Say that the reader closes the connection of its own accord; the last message before it."""
    return _event(stamp, connection_close_event=params.ConnectionCloseEvent())


def report_buffer_overflow(stamp: Stamp) -> Event:
    """Say that reports were lost."""
    lost = params.ReportBufferOverflowErrorEvent()
    return _event(stamp, report_buffer_overflow_error_event=lost)


def ro_spec(stamp: Stamp, spec_id: int, *, started: bool) -> Event:
    """Say that a ROSpec started or ended."""
    kind = ROSpecEventType.Start_Of_ROSpec if started else ROSpecEventType.End_Of_ROSpec
    return _event(stamp, ro_spec_event=params.ROSpecEvent(event_type=kind, ro_spec_id=spec_id))


def ai_spec_ended(stamp: Stamp, spec_id: int, spec_index: int) -> Event:
    """Say that an AISpec ended."""
    ended = params.AISpecEvent(
        event_type=AISpecEventType.End_Of_AISpec, ro_spec_id=spec_id, spec_index=spec_index
    )
    return _event(stamp, ai_spec_event=ended)


def antenna(stamp: Stamp, antenna_id: int, *, connected: bool) -> Event:
    """Say that an antenna was plugged in or out."""
    kinds = AntennaEventType
    kind = kinds.Antenna_Connected if connected else kinds.Antenna_Disconnected
    change = params.AntennaEvent(event_type=kind, antenna_id=antenna_id)
    return _event(stamp, antenna_event=change)


def gpi(stamp: Stamp, port: int, *, high: bool) -> Event:
    """Say that an input port changed its level."""
    return _event(stamp, gpi_event=params.GPIEvent(gpi_port_number=port, gpi_event=high))


def _event(stamp: Stamp, **event: LLRPParameter) -> Event:
    data = params.ReaderEventNotificationData(
        timestamp=stamp,
        **event,  # type: ignore[arg-type] # Each caller above names the field of its parameter.
    )
    return Event(reader_event_notification_data=data)
