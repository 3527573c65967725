"""The MQTT 5 codec against paho's bytes, and against bytes that are no packets."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import paho.mqtt.client as paho
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from mqtt5 import packets
from mqtt5.packets import (
    Answered,
    Confirmed,
    Decoder,
    Ended,
    PacketInvalid,
    Pong,
    Published,
    Welcomed,
)

PAYLOAD_SIZES = (0, 1, 100, 127, 128, 16_383, 16_384, 2_097_152)


def properties() -> Properties:
    made = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho's.
    made.ContentType = "application/json"
    made.UserProperty = ("schema", "stock/1")
    made.MessageExpiryInterval = 60
    return made


def packed(some: Properties) -> bytes:
    return bytes(some.pack())  # type: ignore[no-untyped-call] # paho's.


def written_by_paho(monkeypatch: pytest.MonkeyPatch, act: Callable[[paho.Client], Any]) -> bytes:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    written: list[bytes] = []
    monkeypatch.setattr(client, "_sock", object())
    monkeypatch.setattr(client, "_packet_queue", lambda *args: written.append(bytes(args[1])))
    act(client)
    monkeypatch.setattr(client, "_sock", None)
    return written[0]


@pytest.mark.parametrize("size", PAYLOAD_SIZES)
@pytest.mark.parametrize("retain", [False, True])
def test_a_publish_is_what_paho_writes(
    monkeypatch: pytest.MonkeyPatch, size: int, *, retain: bool
) -> None:
    payload = b"x" * size
    theirs = written_by_paho(
        monkeypatch, lambda c: c.publish("st/1/S/stock", payload, 1, retain, properties())
    )
    ours = packets.publish(
        b"st/1/S/stock", payload, 1, retain=retain, properties=packed(properties())
    )
    assert ours == theirs


def test_a_publish_of_qos_0_has_no_packet_id(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = written_by_paho(monkeypatch, lambda c: c.publish("t", b"p", 0, False, properties()))
    assert theirs == packets.publish(b"t", b"p", 0, retain=False, properties=packed(properties()))


def test_a_subscribe_is_what_paho_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = [("a/+", 1), ("b/#", 0)]
    options = [(t, SubscribeOptions(qos=qos)) for t, qos in topics]
    theirs = written_by_paho(monkeypatch, lambda c: c.subscribe(options))
    assert theirs == packets.subscribe(1, topics)


def test_an_unsubscribe_is_what_paho_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = written_by_paho(monkeypatch, lambda c: c.unsubscribe("a/+"))
    assert theirs == packets.unsubscribe(1, ["a/+"])


STREAM = (
    # As the standard lays them out, written by hand.
    b"\x20\x09\x00\x00\x06\x21\x00\x14\x13\x00\x0a"
    + packets.publish(b"st/1/\xc3\xa9", b"payload", 7, retain=True, properties=b"\x00")
    + packets.publish(b"t", b"y" * 300, 0, retain=False, properties=packed(properties()))
    + b"\x40\x02\x00\x07\x40\x03\x00\x08\x10\x40\x04\x00\x09\x87\x00"
    + b"\x90\x05\x00\x03\x00\x01\x80\xb0\x04\x00\x04\x00\x00\xd0\x00\xe0\x02\x8e\x00"
)
MEANT = [
    Welcomed(0, 20, packets.REMAINING_BYTES_MAX, 10),
    Published("st/1/é", b"payload", retain=True, packet_id=7),
    Published("t", b"y" * 300, retain=False, packet_id=0),
    Confirmed(7, 0),
    Confirmed(8, 0x10),
    Confirmed(9, 0x87),
    Answered(3, b"\x01\x80"),
    Answered(4, b"\x00"),
    Pong(),
    Ended(0x8E),
]


@given(st.lists(st.integers(0, len(STREAM))))
def test_packets_come_whole_however_the_bytes_are_cut(cuts: list[int]) -> None:
    decoder = Decoder()
    at = [0, *sorted(cuts), len(STREAM)]
    heard = [packet for begin, end in pairwise(at) for packet in decoder.feed(STREAM[begin:end])]
    assert heard == MEANT


@given(st.binary(max_size=200))
def test_bytes_that_are_no_packets_are_refused_and_nothing_else(data: bytes) -> None:
    try:
        list(Decoder(1_000).feed(data))
    except PacketInvalid:
        return


@given(st.integers(0, len(STREAM) - 1), st.integers(0, 255))
def test_a_changed_byte_is_another_packet_or_none(at: int, byte: int) -> None:
    try:
        list(Decoder(1_000).feed(STREAM[:at] + bytes((byte,)) + STREAM[at + 1 :]))
    except PacketInvalid:
        return


@pytest.mark.parametrize(
    "data",
    [
        b"\x30\xff\xff\xff\xff\x01",  # A length of five bytes.
        b"\x30\xe9\x07",  # 1,001 bytes, above what we allow.
        b"\x34\x06\x00\x01t\x00\x01\x00",  # QoS 2.
        b"\x30\x03\x00\x00\x00",  # An alias.
        b"\x30\x03\x00\x09t",  # A topic beyond the packet.
        b"\x30\x04\x00\x01\xff\x00",  # A topic that is no UTF-8.
        b"\x10\x00",  # A CONNECT is for brokers.
    ],
)
def test_what_a_client_is_never_sent_is_refused(data: bytes) -> None:
    with pytest.raises(PacketInvalid):
        list(Decoder(1_000).feed(data))
