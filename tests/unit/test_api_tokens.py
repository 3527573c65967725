"""`stocktruth-cloud token`: makes an entry for the tokens file, and shows the token once."""

from pathlib import Path

from typer.testing import CliRunner

from cloud.__main__ import app
from cloud.api.access import load_tokens

EXAMPLE = Path(__file__).parents[2] / "deploy" / "tokens.example.toml"


def test_an_entry_made_by_the_command_is_good_for_the_file(tmp_path: Path) -> None:
    wanted = ["token", "web", "--role", "channel", "--channel", "web", "--location", "S001"]
    made = CliRunner().invoke(app, wanted)
    assert made.exit_code == 0, made.stderr
    path = tmp_path / "tokens.toml"
    path.write_text(made.stdout)
    token = made.stderr.split()[-1]
    assert token not in made.stdout
    caller = load_tokens(path).caller(token)
    assert caller is not None
    assert (caller.name, caller.channels, caller.locations) == (
        "web",
        frozenset(["web"]),
        frozenset(["S001"]),
    )


def test_a_role_that_there_is_not_is_one_clear_line() -> None:
    made = CliRunner().invoke(app, ["token", "web", "--role", "boss"])
    assert made.exit_code == 2
    assert len(made.stderr.splitlines()) == 1
    assert "boss" in made.stderr


def test_the_example_we_ship_is_good() -> None:
    assert len(load_tokens(EXAMPLE)) == 1
