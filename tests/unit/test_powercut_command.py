"""The command line of power cuts: what a user reads when something is missing or in the way."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from simulators.powercut import machine
from simulators.powercut.cli import powercut

app = typer.Typer()
app.command()(powercut)


def test_missing_packages_are_named_with_the_command_that_installs_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "PATHS", str(tmp_path))
    result = CliRunner().invoke(app, ["--cycles", "1", "--dir", str(tmp_path / "run")])
    assert result.exit_code == 2
    assert "apt-get install --no-install-recommends user-mode-linux" in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_folder_that_exists_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulators.powercut.command.missing_packages", list)
    result = CliRunner().invoke(app, ["--cycles", "1", "--dir", str(tmp_path)])
    assert result.exit_code == 2
    assert "File exists" in result.stderr
