"""The disk that keeps writes to itself: what it says it has, and what a power cut leaves of it."""

import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from simulators.powercut.plan import MS_MAX, draw_plan
from simulators.powercut.write_cache import SECTOR_BYTES, WriteCache, serve

SECTORS = 64
REQUEST = struct.Struct(">IHHQQI")
REPLY = struct.Struct(">IIQ")


@pytest.fixture
def platter(tmp_path: Path) -> Iterator[int]:
    descriptor = os.open(tmp_path / "platter", os.O_RDWR | os.O_CREAT)
    os.truncate(descriptor, SECTORS * SECTOR_BYTES)
    yield descriptor
    os.close(descriptor)


def content(platter: int) -> bytes:
    return os.pread(platter, SECTORS * SECTOR_BYTES, 0)


def write_at_random(cache: WriteCache, rng: Random, times: int) -> bytes:
    expected = bytearray(SECTORS * SECTOR_BYTES)
    for _ in range(times):
        first = rng.randrange(SECTORS)
        length = rng.randint(1, SECTORS - first)
        data = rng.randbytes(length * SECTOR_BYTES)
        cache.write(first * SECTOR_BYTES, data)
        expected[first * SECTOR_BYTES : (first + length) * SECTOR_BYTES] = data
    return bytes(expected)


@pytest.mark.parametrize("seed", range(20))
def test_what_was_written_is_read_and_after_a_flush_on_the_platter(platter: int, seed: int) -> None:
    cache = WriteCache(platter, Random(seed), flushes=True)
    expected = write_at_random(cache, Random(seed), 12)
    assert cache.read(0, len(expected)) == expected
    cache.flush()
    assert content(platter) == expected
    assert cache.read(0, len(expected)) == expected


def test_without_a_flush_some_is_lost_and_sectors_are_whole(platter: int) -> None:
    losses = 0
    for seed in range(20):
        os.pwrite(platter, bytes(SECTORS * SECTOR_BYTES), 0)
        cache = WriteCache(platter, Random(seed), flushes=True)
        data = b"\x01" * SECTORS * SECTOR_BYTES
        for sector in range(0, SECTORS, 8):
            cache.write(sector * SECTOR_BYTES, data[: 8 * SECTOR_BYTES])
        left = content(platter)
        sectors = {left[at : at + SECTOR_BYTES] for at in range(0, len(left), SECTOR_BYTES)}
        assert sectors <= {bytes(SECTOR_BYTES), b"\x01" * SECTOR_BYTES}
        losses += left != data
    assert losses > 10


def test_a_lying_disk_keeps_what_it_was_told_to_flush(platter: int) -> None:
    cache = WriteCache(platter, Random(4), flushes=False)
    expected = write_at_random(cache, Random(4), 3)
    cache.flush()
    assert content(platter) != expected
    assert cache.read(0, len(expected)) == expected


def test_a_write_through_is_on_the_platter_at_once(platter: int) -> None:
    cache = WriteCache(platter, Random(1), flushes=True)
    cache.write_through(SECTOR_BYTES, b"\x07" * 2 * SECTOR_BYTES)
    assert content(platter)[SECTOR_BYTES : 3 * SECTOR_BYTES] == b"\x07" * 2 * SECTOR_BYTES


def test_it_speaks_the_protocol_of_the_kernel(platter: int) -> None:
    ours, kernels = socket.socketpair()
    kernels.settimeout(10)
    cache = WriteCache(platter, Random(1), flushes=True)
    thread = threading.Thread(target=serve, args=(ours, cache))
    thread.start()
    data = b"\x05" * SECTOR_BYTES

    def ask(kind: int, payload: bytes = b"", length: int = 0) -> tuple[int, bytes]:
        kernels.sendall(REQUEST.pack(0x25609513, 0, kind, 99, SECTOR_BYTES, length) + payload)
        magic, error, handle = REPLY.unpack(kernels.recv(REPLY.size, socket.MSG_WAITALL))
        assert (magic, handle) == (0x67446698, 99)
        return error, b"" if kind else kernels.recv(length, socket.MSG_WAITALL)

    assert ask(1, data, len(data)) == (0, b"")
    assert ask(0, length=len(data)) == (0, data)
    assert ask(3) == (0, b"")
    assert ask(4, length=SECTOR_BYTES) == (22, b"")  # No discards: it says that it cannot.
    kernels.sendall(REQUEST.pack(0x25609513, 0, 2, 0, 0, 0))
    thread.join(10)
    ours.close()
    kernels.close()
    assert not thread.is_alive()
    assert content(platter)[SECTOR_BYTES : 2 * SECTOR_BYTES] == data


def test_a_plan_is_that_of_its_seed_and_within_its_bounds() -> None:
    for seed in range(300):
        age = seed % 12
        plan = draw_plan(Random(seed), age)
        assert plan == draw_plan(Random(seed), age)
        assert 0 <= plan.delay_ms <= MS_MAX[plan.moment]
        assert plan.is_fresh or age
        assert not (plan.is_fresh and plan.moment == "opening")
        assert (plan.moment == "disk") == (plan.disk in ("failing", "vanishing"))
