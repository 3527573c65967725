"""The architecture is a failing check: each contract catches a planted violation."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("protocol", "edge", "cloud", "simulators")


@pytest.fixture
def copied_tree(tmp_path: Path) -> Path:
    for package in PACKAGES:
        source = REPOSITORY / package
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(source, tmp_path / package, ignore=ignored)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    program = (
        "import sys; sys.path.insert(0, ''); "
        "from importlinter.cli import lint_imports_command; lint_imports_command()"
    )
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache"],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_the_tree_keeps_every_contract(copied_tree: Path) -> None:
    result = lint_imports(copied_tree)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "planted", "contract"),
    [
        ("protocol/topics.py", "import edge.errors", "simulators > edge | cloud > protocol"),
        ("edge/errors.py", "import cloud.errors", "simulators > edge | cloud > protocol"),
        ("cloud/errors.py", "import edge.errors", "simulators > edge | cloud > protocol"),
        ("cloud/errors.py", "import simulators", "simulators > edge | cloud > protocol"),
        ("protocol/codec.py", "import socket", "pure modules"),
        ("edge/sensing/readings.py", "import time", "pure modules"),
        ("edge/uplink/session.py", "import asyncio", "pure modules"),
        ("cloud/sku_location/state.py", "import random", "pure modules"),
        ("cloud/ingest/admission.py", "import threading", "pure modules"),
        ("cloud/shards/shard.py", "import pykka", "pure modules"),
        ("cloud/shards/placement.py", "import os", "pure modules"),
        ("simulators/world/__init__.py", "import subprocess", "pure modules"),
        ("cloud/errors.py", "import sllurp", "sllurp"),
        ("edge/devices/supervisor.py", "import sllurp", "sllurp"),
    ],
)
def test_a_planted_violation_breaks_its_contract(
    copied_tree: Path, module: str, planted: str, contract: str
) -> None:
    path = copied_tree / module
    path.write_text(f"{path.read_text()}\n{planted}\n")
    result = lint_imports(copied_tree)
    assert result.returncode != 0
    broken = [line for line in result.stdout.splitlines() if " BROKEN" in line]
    assert any(contract in line for line in broken), result.stdout
