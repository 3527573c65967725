"""Mutations of inputs that were valid: what damage, chance and malice do to bytes. Pure."""

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

INPUT_BYTES_MAX: Final = 8_192
INTERESTING: Final = (
    b"\x00",
    b"\xff",
    b"\x7f\xff\xff\xff",
    b"\xff\xff\xff\xff",
    b"\x80\x00\x00\x00\x00\x00\x00\x00",
    b"\xc0",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\xcb\x7f\xf8\x00\x00\x00\x00\x00\x00",
    b"\x91" * 64,
    b"[" * 64,
    b'{"a":' * 32,
    b"NaN",
    b"1e999",
    b"-0",
    b"99999999999999999999999999",
    b"\xf0\x9f\x92\xa9",
    b"\xed\xa0\x80",
    b"\r\n\x00",
    b"<!ENTITY x 'y'>",
    b"&x;",
    b"<![CDATA[",
    b"2026-13-45T99:99:99Z",
    b"0" * 64,
)

Mutate = Callable[[Random, bytes, Sequence[bytes]], bytes]


def _flip(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _set(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]


def _cut(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    return data[: rng.randrange(len(data))]


def _drop(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start = rng.randrange(len(data))
    return data[:start] + data[start + rng.randint(1, 16) :]


def _repeat(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    start = rng.randrange(len(data))
    piece = data[start : start + rng.randint(1, 64)]
    return data[:start] + piece * rng.choice((2, 3, 20)) + data[start:]


def _insert(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(INTERESTING) + data[at:]


def _overwrite(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    at, value = rng.randrange(len(data)), rng.choice(INTERESTING)
    return data[:at] + value + data[at + len(value) :]


def _splice(rng: Random, data: bytes, corpus: Sequence[bytes]) -> bytes:
    other = rng.choice(corpus)
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


def _swap_lines(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    lines = data.split(b"\n")
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    return b"\n".join(lines)


def _retype(rng: Random, data: bytes, _: Sequence[bytes]) -> bytes:
    """Let a text be a number, or a number a text, as far as one can do that without parsing."""
    old = rng.choice((b'"', b"1", b"true", b"[", b"]", b"=", b",", b":", b"\xa5", b"\xcd", b"\xc0"))
    new = rng.choice((b"", b'"', b"1", b"-1", b"[]", b"{}", b"null", b"\xc0", b"\xa0", b"\x90"))
    return data.replace(old, new, rng.randint(1, 2))


MUTATIONS: Final[tuple[Mutate, ...]] = (
    _flip,
    _set,
    _cut,
    _drop,
    _repeat,
    _insert,
    _overwrite,
    _splice,
    _swap_lines,
    _retype,
)


def mutated(rng: Random, corpus: Sequence[bytes]) -> bytes:
    """Return an input: random bytes now and then, else one of the corpus, mutated a few times."""
    if rng.random() < 0.02:
        return rng.randbytes(rng.randrange(256))
    data = rng.choice(corpus)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3, 8))):
        if not data:
            break
        data = rng.choice(MUTATIONS)(rng, data, corpus)
    return data[:INPUT_BYTES_MAX]
