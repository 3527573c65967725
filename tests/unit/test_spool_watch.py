"""A watch wakes for files that come, and for nothing else; without one a wait is only a pause."""

import ctypes
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.devices.spool_watch import SpoolWatch

LONG_MS = 20_000
SHORT_MS = 30


@pytest.fixture
def watch(tmp_path: Path) -> Iterator[SpoolWatch]:
    made = SpoolWatch(tmp_path)
    yield made
    made.close()


def waited_ms(watch: SpoolWatch, timeout_ms: int) -> float:
    began_s = time.monotonic()
    watch.wait(timeout_ms, settle_ms=1)
    return (time.monotonic() - began_s) * 1_000


def test_it_wakes_for_a_file_that_is_renamed_into_place(tmp_path: Path, watch: SpoolWatch) -> None:
    (tmp_path.parent / "made").write_text("whole")
    writing = threading.Timer(0.05, (tmp_path.parent / "made").rename, (tmp_path / "1.xml",))
    writing.start()
    assert waited_ms(watch, LONG_MS) < LONG_MS / 2
    writing.join()


def test_what_came_before_the_wait_ends_it_at_once_and_only_once(
    tmp_path: Path, watch: SpoolWatch
) -> None:
    for number in range(50):
        (tmp_path / f"{number}.xml").write_text("whole")
    assert waited_ms(watch, LONG_MS) < LONG_MS / 2
    assert waited_ms(watch, SHORT_MS) >= SHORT_MS


def test_files_that_go_are_no_news(tmp_path: Path, watch: SpoolWatch) -> None:
    (tmp_path / "1.xml").write_text("whole")
    watch.wait(LONG_MS, settle_ms=1)
    (tmp_path / "1.xml").unlink()
    assert waited_ms(watch, SHORT_MS) >= SHORT_MS


def test_where_nothing_can_be_watched_a_wait_is_a_pause(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    caplog.set_level(logging.WARNING)
    watch = SpoolWatch(tmp_path)
    (tmp_path / "1.xml").write_text("whole")
    assert waited_ms(watch, SHORT_MS) >= SHORT_MS
    watch.close()
    assert "it is looked at now and then" in caplog.text
