"""Messages of a reader in which bytes were changed: taken, or a `DeviceFault`, and nothing else."""

import socket
from collections import Counter
from contextlib import suppress
from random import Random

import pytest
from llrpkit.protocol import LLRPMessage, messages, params
from llrpkit.protocol.enums import StatusCode

from edge.devices.llrp import LlrpDriver
from edge.devices.llrp_framing import MESSAGE_BYTES_MAX
from edge.errors import DeviceFault
from simulators.devices.llrp_reader.engine import ReaderEngine
from simulators.devices.llrp_reader.frames import FrameSplitter
from simulators.devices.llrp_reader.settings import ReaderSettings, ReaderStats, TagInField
from simulators.devices.llrp_reader.tag_memory import TagMemories
from tests.device_fakes import RememberingReport
from tests.llrp_messages import ListedLink
from tests.llrp_peers import event, status
from tests.supervised_reader import ANTENNAS, IgnoringSink, monotonic_ms, reader_settings, utc_ms


def good_messages() -> list[bytes]:
    """One of each message that a reader sends of its own accord or in answer to sllurp."""
    ok = status(StatusCode.M_Success)
    tag = params.TagReportData(
        epc_parameter=params.EPC_96(epc=bytes(12)),
        antenna_id=params.AntennaID(antenna_id=1),
        peak_rssi=params.PeakRSSI(peak_rssi=-60),
        last_seen_timestamp_utc=params.LastSeenTimestampUTC(microseconds=1),
        tag_seen_count=params.TagSeenCount(tag_count=1),
    )
    antenna = params.ReaderEventNotificationData(
        timestamp=params.UTCTimestamp(microseconds=1),
        antenna_event=params.AntennaEvent(antenna_id=2),
    )
    sent: list[LLRPMessage] = [
        messages.RO_ACCESS_REPORT(tag_report_datas=[tag, tag]),
        messages.READER_EVENT_NOTIFICATION(reader_event_notification_data=antenna),
        messages.GET_READER_CAPABILITIES_RESPONSE(llrp_status=ok),
        messages.GET_READER_CONFIG_RESPONSE(llrp_status=ok, keepalive_spec=params.KeepaliveSpec()),
        messages.ERROR_MESSAGE(llrp_status=ok),
        messages.KEEPALIVE(),
    ]
    return [event(), *(each.to_bytes(message_id=5) for each in sent)]


def mutated(random: Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(random.randint(1, 4)):
        changed[random.randrange(len(changed))] = random.randrange(256)
    return bytes(changed)


def test_ten_thousand_mutated_messages_are_taken_or_are_a_fault() -> None:
    """Whatever a message became, nothing but `DeviceFault` comes out of the driver."""
    random = Random(20_260_101)
    originals = good_messages()
    faults = 0
    for _ in range(10_000):
        driver, peer = connected_driver()
        with peer:
            begun = random.random() < 0.5
            peer.sendall((event() if begun else b"") + mutated(random, random.choice(originals)))
            peer.shutdown(socket.SHUT_WR)
            with pytest.raises(DeviceFault) as caught:
                poll_to_the_end(driver)
        driver.close()
        faults += "it closed the connection" not in str(caught.value)
    assert faults > 1_000, "most mutations would not have been noticed"


def poll_to_the_end(driver: LlrpDriver) -> None:
    """Poll until it faults, which the end of the stream is in any case."""
    while True:
        driver.poll()


def test_a_session_in_which_one_message_is_mutated_reads_or_is_a_fault() -> None:
    """Answers are mutated where the session expects them, from the greeting to the reports."""
    random = Random(20_260_102)
    outcomes = Counter(session_outcome(random, mutated_at=number % 9) for number in range(900))
    assert outcomes["reads"] > 100
    assert outcomes["fault"] > 100


def session_outcome(random: Random, mutated_at: int) -> str:
    engine = ReaderEngine(
        antennas=ANTENNAS,
        reads=lambda drive: [TagInField(bytes((drive.antenna,)) * 12, -50.0)],
        clock_us=lambda: 1_795_600_000_000_000,
        settings=ReaderSettings(),
        stats=ReaderStats(),
        memories=TagMemories(10),
    )
    link, requests = ListedLink(), FrameSplitter(MESSAGE_BYTES_MAX)
    driver, peer = connected_driver()
    engine.connect(link, now_ms=0)
    sent = 0
    try:
        with peer:
            peer.setblocking(False)
            for now_ms in range(0, 2_000, 100):
                engine.advance(now_ms)
                for frame in link.frames:
                    peer.sendall(mutated(random, frame) if sent == mutated_at else frame)
                    sent += 1
                link.frames.clear()
                driver.poll()
                with suppress(BlockingIOError):
                    requests.feed(peer.recv(65_536))
                while (request := requests.next_frame()) is not None:
                    engine.receive(link, request, now_ms)
    except DeviceFault:
        return "fault"
    finally:
        driver.close()
    return "reads" if driver._is_reading else "waits"


def connected_driver() -> tuple[LlrpDriver, socket.socket]:
    """A driver whose connection is a pair of sockets, which spares ten thousand ports."""
    driver = LlrpDriver(reader_settings(1), IgnoringSink(), utc_ms, monotonic_ms)
    ours, peer = socket.socketpair()
    ours.settimeout(0.001)
    driver._socket = ours
    driver._report = RememberingReport()
    driver._heard_ms = driver._advanced_ms = monotonic_ms()
    return driver, peer
