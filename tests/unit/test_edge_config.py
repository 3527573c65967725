"""The agent's settings: strict, and every mistake named at once with path, value and allowed."""

import subprocess
import sys
from pathlib import Path

import pytest

from edge.config import load_settings
from edge.errors import ConfigInvalid

MINIMAL = """
store = "S001"
[broker]
url = "mqtt://127.0.0.1"
"""
FULL = (
    MINIMAL
    + """
[[portals]]
name = "dock"
outside = "transit"
inside = "backroom"
[[llrp]]
name = "dock-reader"
host = "10.0.0.5"
antennas = [
  { id = 1, portal = "dock", side = "outside" },
  { id = 2, portal = "dock", side = "inside" },
  { id = 3, zone = "backroom" },
]
[[shelf_scale]]
name = "scale-1"
host = "10.0.0.6"
shelves = [{ shelf = "A1", index = 0, gtin = "00614141123452", item_weight_g = 250 }]
[[pos_journal]]
name = "till-1"
spool = "./spool/till-1"
"""
)
EXAMPLE = Path(__file__).parents[2] / "deploy" / "store.example.toml"


def problems_of(folder: Path, text: str) -> list[str]:
    path = folder / "store.toml"
    path.write_text(text)
    with pytest.raises(ConfigInvalid) as invalid:
        load_settings(path)
    return [line.removeprefix(f"{path}: ") for line in str(invalid.value).splitlines()]


def test_a_minimal_file_gets_defaults_and_absolute_paths(tmp_path: Path) -> None:
    path = tmp_path / "store.toml"
    path.write_text(MINIMAL)
    settings = load_settings(path)
    assert (settings.broker.host, settings.broker.port) == ("127.0.0.1", 1883)
    assert settings.broker.root == "st/1"
    assert settings.outbox_path == tmp_path / "data" / "outbox.db"


def test_a_full_file_is_accepted_and_its_paths_are_relative_to_it(tmp_path: Path) -> None:
    path = tmp_path / "store.toml"
    path.write_text(FULL)
    assert load_settings(path).pos_journal[0].spool == str(tmp_path / "spool" / "till-1")


def test_the_example_we_ship_is_valid() -> None:
    settings = load_settings(EXAMPLE)
    assert settings.llrp
    assert settings.shelf_scale
    assert settings.pos_journal


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('store = "S001"', 'store = "S 1"', "store = \"S 1\": use 1 to 32 letters, digits, '_'"),
        ('store = "S001"', 'store = "cloud"', 'store = "cloud": this name is reserved'),
        ('store = "S001"', "", "store: is missing"),
        ('store = "S001"', "store = 1", "store = 1: expected `str`, got `int`"),
        ("mqtt://127.0.0.1", "http://x", 'broker.url = "http://x": expected mqtt://HOST[:PORT]'),
        ("mqtt://127.0.0.1", "mqtt://x:70000", "expected a host, and a port from 1 to 65535"),
        (
            "[[portals]]",
            "[uplnk]\n[[portals]]",
            "uplnk: there is no such setting; did you mean 'up",
        ),
        (
            "[[portals]]",
            "[uplink]\nwindow_batches = 0\n[[portals]]",
            "uplink.window_batches = 0: expected `int` >= 1",
        ),
        (
            "[[portals]]",
            "[outbox]\ndisk_budget_bytes = 5\n[[portals]]",
            "outbox.disk_budget_bytes = 5: expected 1048576 to",
        ),
        (
            'side = "outside"',
            'side = "outsid"',
            'llrp[0].antennas[0].side = "outsid": expected one of "outside", "inside"',
        ),
        (
            'zone = "backroom"',
            'zone = "roof"',
            'llrp[0].antennas[2].zone = "roof": expected one of "sales_floor", "backroom"',
        ),
        (
            'id = 3, zone = "backroom"',
            'id = 3, zone = "backroom", portal = "dock", side = "inside"',
            "llrp[0].antennas[2]: expected either a zone, or a portal with a side",
        ),
        (
            'portal = "dock", side = "inside"',
            'portal = "dock"',
            "llrp[0].antennas[1]: portal and side belong together",
        ),
        (
            'id = 3, zone = "backroom"',
            'id = 3, portal = "dok", side = "inside"',
            'llrp[0].antennas[2].portal = "dok": no such portal; [[portals]] has "dock"',
        ),
        ("{ id = 2, portal", "{ id = 1, portal", "llrp[0].antennas: id = 1: is given twice"),
        (
            'side = "inside" }',
            'side = "outside" }',
            'portals[0].name = "dock": needs an antenna on each side',
        ),
        (
            'inside = "backroom"',
            'inside = "transit"',
            'portals[0].inside = "transit": a portal joins two different zones',
        ),
        ('"till-1"', '"scale-1"', 'name = "scale-1": is used by two devices'),
        ("00614141123452", "00614141123459", "its check digit should be 2"),
        (
            'host = "10.0.0.5"',
            'host = "10.0.0.5"\nkeepalive_ms = 5000',
            "llrp[0].silence_timeout_ms = 7000: at least 10000",
        ),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, old: str, new: str, problem: str) -> None:
    assert FULL.count(old) >= 1
    problems = problems_of(tmp_path, FULL.replace(old, new, 1))
    assert any(problem in line for line in problems), problems


def test_all_problems_are_named_at_once(tmp_path: Path) -> None:
    text = FULL.replace('outside = "transit"', 'outsid = "transit"').replace("id = 3", "id = 99")
    text = text.replace("index = 0", "index = -1").replace("mqtt://127.0.0.1", "ftp://x")
    problems = problems_of(tmp_path, text)
    for path in (
        "broker.url",
        "portals[0].outsid:",
        "portals[0].outside: is missing",
        "llrp[0].antennas[2].id = 99",
        "shelf_scale[0].shelves[0].index = -1",
    ):
        assert any(line.startswith(path) for line in problems), (path, problems)


def test_two_tills_with_one_spool_are_refused(tmp_path: Path) -> None:
    more = '[[pos_journal]]\nname = "till-2"\nspool = "spool/till-1"\n'
    assert any("is given to two tills" in line for line in problems_of(tmp_path, FULL + more))


def test_certificates_need_tls_and_must_exist(tmp_path: Path) -> None:
    plain = MINIMAL + 'ca_file = "ca.pem"\n'
    assert "allowed with an mqtts:// url only" in problems_of(tmp_path, plain)[0]
    secure = plain.replace("mqtt://", "mqtts://") + 'key_file = "key.pem"\n'
    problems = problems_of(tmp_path, secure)
    assert any("there is no such file" in line for line in problems)
    assert any("give both or neither" in line for line in problems)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"store = [", "not TOML"), (b"\xff\xfe", "not UTF-8"), (None, "No such file")],
)
def test_an_unreadable_file_is_one_line(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "store.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigInvalid, match=problem):
        load_settings(path)


def test_the_command_says_what_is_wrong_in_one_line_and_exits_with_2(tmp_path: Path) -> None:
    path = tmp_path / "store.toml"
    path.write_text(MINIMAL.replace("S001", "S 1"))
    command = [sys.executable, "-m", "edge", "check", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f'stocktruth-edge: {path}: store = "S 1":')
    assert done.stderr.count("\n") == 1


PROBE = """
import sys
from pathlib import Path
import edge.assembly, edge.__main__
from edge.config import load_settings
load_settings(Path(sys.argv[1]))
print(*sorted(name.partition('.')[0] for name in sys.modules))
"""


def test_the_agent_loads_neither_cloud_nor_simulators_nor_an_llrp_client(tmp_path: Path) -> None:
    path = tmp_path / "store.toml"
    path.write_text(MINIMAL)
    command = [sys.executable, "-c", PROBE, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    assert "edge" in loaded
    assert loaded.isdisjoint({"cloud", "simulators", "sllurp", "llrpkit", "iotcore", "litestar"})
