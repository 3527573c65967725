"""Bytes come from an independent codec, llrpkit's."""

import struct
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from llrpkit.protocol import decode_message, messages, params

from edge.devices.llrp_framing import (
    HEADER_BYTES,
    MESSAGE_BYTES_MAX,
    PART_BYTES,
    LlrpFramer,
    LlrpViolation,
    message_type,
    parts,
)

KEEPALIVE = messages.KEEPALIVE().to_bytes(message_id=7)
EVENT = messages.READER_EVENT_NOTIFICATION(
    reader_event_notification_data=params.ReaderEventNotificationData(
        timestamp=params.UTCTimestamp(microseconds=1_795_560_000_000_000)
    )
).to_bytes(message_id=2**32 - 1)
STREAM = [KEEPALIVE, EVENT, KEEPALIVE, EVENT]


def header(*, version: int = 1, kind: int = 61, length: int = 10, reserved: int = 0) -> bytes:
    return struct.pack("!HII", reserved << 13 | version << 10 | kind, length, 1)


def taken(framer: LlrpFramer, *chunks: bytes) -> list[bytes]:
    found = []
    for chunk in chunks:
        framer.feed(chunk)
        while (message := framer.next_message()) is not None:
            found.append(message)
    return found


def test_messages_come_out_as_they_went_in() -> None:
    found = taken(LlrpFramer(), b"".join(STREAM))
    assert found == STREAM
    assert [type(decode_message(each)).__name__ for each in found[:2]] == [
        "KEEPALIVE",
        "READER_EVENT_NOTIFICATION",
    ]


@given(st.lists(st.integers(0, len(b"".join(STREAM))), max_size=20))
def test_the_cut_of_the_stream_does_not_matter(cuts: list[int]) -> None:
    stream = b"".join(STREAM)
    bounds = [0, *sorted(cuts), len(stream)]
    chunks = [stream[start:end] for start, end in pairwise(bounds)]
    framer = LlrpFramer()
    assert taken(framer, *chunks) == STREAM
    assert framer.pending_bytes == 0


def test_single_bytes_make_messages_too() -> None:
    stream = b"".join(STREAM)
    assert taken(LlrpFramer(), *(stream[at : at + 1] for at in range(len(stream)))) == STREAM


@pytest.mark.parametrize("version", [1, 2])
def test_both_published_versions_are_taken(version: int) -> None:
    message = header(version=version)
    assert taken(LlrpFramer(), message) == [message]


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (header(version=0), "this is not LLRP: a message begins with 0x003d"),
        (header(version=3), "this is not LLRP: a message begins with 0x0c3d"),
        (header(reserved=1), "this is not LLRP: a message begins with 0x243d"),
        (b"HTTP/1.1 400 Bad Request\r\n", "this is not LLRP: a message begins with 0x4854"),
        (b"\xff" * HEADER_BYTES, "this is not LLRP: a message begins with 0xffff"),
        (header(length=0), "a message of 0 bytes; allowed are 10 to 262144"),
        (header(length=HEADER_BYTES - 1), "a message of 9 bytes"),
        (header(length=MESSAGE_BYTES_MAX + 1), "a message of 262145 bytes"),
        (header(length=2**32 - 1), "a message of 4294967295 bytes"),
    ],
)
def test_what_cannot_be_a_message_is_refused_at_its_header(head: bytes, problem: str) -> None:
    framer = LlrpFramer()
    framer.feed(head)
    with pytest.raises(LlrpViolation, match=problem):
        framer.next_message()


def test_what_came_before_the_violation_is_still_given() -> None:
    framer = LlrpFramer()
    framer.feed(KEEPALIVE + header(length=1))
    assert framer.next_message() == KEEPALIVE
    with pytest.raises(LlrpViolation):
        framer.next_message()


def test_the_longest_allowed_message_is_taken() -> None:
    message = header(length=MESSAGE_BYTES_MAX) + bytes(MESSAGE_BYTES_MAX - HEADER_BYTES)
    assert taken(LlrpFramer(), message) == [message]


@given(st.binary(max_size=4_096))
def test_any_bytes_are_messages_or_pending_or_a_violation(data: bytes) -> None:
    framer = LlrpFramer()
    try:
        found = taken(framer, data)
    except LlrpViolation:
        return
    assert b"".join(found) + data[len(data) - framer.pending_bytes :] == data


def test_the_type_is_read_out_of_a_message() -> None:
    assert message_type(KEEPALIVE) == messages.KEEPALIVE.MESSAGE_TYPE == 62
    assert message_type(EVENT) == 63
    assert message_type(header(kind=1023)) == 1023


def report_of(*sizes: int) -> bytes:
    """A report whose parameters have these lengths, each with a content of its own."""
    body = b"".join(
        struct.pack("!HH", 240, size) + bytes([number % 256]) * (size - 4)
        for number, size in enumerate(sizes)
    )
    return struct.pack("!HII", 1 << 10 | 61, 10 + len(body), 77) + body


@given(st.lists(st.integers(4, 3_000), max_size=60))
def test_parts_of_a_message_are_short_and_together_the_whole(sizes: list[int]) -> None:
    message = report_of(*sizes)
    cut = list(parts(message))
    assert b"".join(part[HEADER_BYTES:] for part in cut) == message[HEADER_BYTES:]
    for part in cut:
        head, length, message_id = struct.unpack_from("!HII", part)
        assert (head, length, message_id) == (1 << 10 | 61, len(part), 77)
        assert len(part) <= PART_BYTES + HEADER_BYTES


def test_a_parameter_longer_than_a_part_is_a_part_of_its_own() -> None:
    cut = list(parts(report_of(20, PART_BYTES * 2, 20, 20)))
    assert [len(part) - HEADER_BYTES for part in cut] == [20, PART_BYTES * 2, 40]


@pytest.mark.parametrize(
    "broken",
    [b"\x00\xf0\x00\x00", b"\x00\xf0\x00\x03", b"\x00\xf0\xff\xff", b"\x8d" + bytes(11), b"\x00"],
    ids=["no-length", "short", "beyond", "tv", "stub"],
)
def test_what_cannot_be_cut_is_left_for_the_decoder(broken: bytes) -> None:
    body = report_of(*[1_000] * 30)[HEADER_BYTES:] + broken
    message = struct.pack("!HII", 1 << 10 | 61, HEADER_BYTES + len(body), 77) + body
    cut = list(parts(message))
    assert b"".join(part[HEADER_BYTES:] for part in cut) == body
    assert cut[-1].endswith(broken)
