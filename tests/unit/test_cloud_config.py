"""The cloud's settings: strict, and every mistake named at once with path, value and allowed."""

from pathlib import Path

import pytest

from cloud.config import ApiSettings, load_policies, load_settings
from cloud.errors import ConfigInvalid
from cloud.journal.rows import StateRow, encode_state
from cloud.policies import withdrawn
from cloud.shards.messages import SetPolicy
from cloud.sku_location.state import Policy, SkuLocation

GOOD = """
[broker]
url = "mqtt://127.0.0.1"
[journal]
path = "data/journal.db"
"""
EXAMPLE = Path(__file__).parents[2] / "deploy" / "cloud.example.toml"
GTIN = "00614141123452"


def problems_of(folder: Path, text: str) -> list[str]:
    path = folder / "cloud.toml"
    path.write_text(text)
    with pytest.raises(ConfigInvalid) as invalid:
        load_settings(path)
    return [line.removeprefix(f"{path}: ") for line in str(invalid.value).splitlines()]


def test_a_minimal_file_gets_defaults_and_absolute_paths(tmp_path: Path) -> None:
    path = tmp_path / "cloud.toml"
    path.write_text(GOOD)
    settings = load_settings(path)
    assert (settings.broker.host, settings.broker.port) == ("127.0.0.1", 1883)
    assert settings.broker.root == "st/1"
    assert settings.journal.path == str(tmp_path / "data" / "journal.db")
    assert settings.shards.policy_file is None


def test_paths_are_relative_to_the_file_and_not_to_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "cloud.toml").write_text(f'{GOOD}[shards]\npolicy_file = "p.toml"\n')
    monkeypatch.chdir(tmp_path)
    settings = load_settings(Path("etc/cloud.toml"))
    assert settings.journal.path == str(tmp_path / "etc" / "data" / "journal.db")
    assert settings.shards.policy_file == str(tmp_path / "etc" / "p.toml")


def test_tls_has_its_own_port_and_files(tmp_path: Path) -> None:
    path = tmp_path / "cloud.toml"
    path.write_text(GOOD.replace('mqtt://127.0.0.1"', 'mqtts://broker"\nca_file = "ca.pem"'))
    broker = load_settings(path).broker
    assert (broker.is_tls, broker.port) == (True, 8883)
    assert broker.ca_file == str(tmp_path / "ca.pem")


def test_every_mistake_of_a_file_is_named_at_once(tmp_path: Path) -> None:
    text = """
        [broker]
        url = "http://x"
        rot = "a"
        [jurnal]
        path = "x"
        [shards]
        count = 2
        [publisher]
        live_window = 0
        marker_interval_ms = "fast"
    """
    assert problems_of(tmp_path, text) == [
        "jurnal: there is no such setting; did you mean 'journal'?",
        "broker.rot: there is no such setting; did you mean 'root'?",
        'broker.url = "http://x": expected mqtt://HOST[:PORT] or mqtts://HOST[:PORT]',
        "journal: is missing; a table is expected",
        "shards.count = 2: expected 1: one journal has one owner",
        "publisher.live_window = 0: expected 1 to 1000 unconfirmed live messages",
        'publisher.marker_interval_ms = "fast": expected 10 to 3600000 milliseconds',
    ]


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        (
            '127.0.0.1"',
            '127.0.0.1:99999"',
            'broker.url = "mqtt://127.0.0.1:99999": expected a host, and a port from 1 to 65535',
        ),
        (
            '127.0.0.1"',
            '127.0.0.1"\nroot = "/st"',
            "broker.root = \"/st\": a root has no leading or trailing '/' and no wildcard",
        ),
        (
            '127.0.0.1"',
            '127.0.0.1"\nca_file = "ca.pem"',
            'broker.ca_file = "ca.pem": allowed with an mqtts:// url only',
        ),
        (
            'mqtt://127.0.0.1"',
            'mqtts://x"\nkey_file = "key.pem"',
            "broker.certificate_file and broker.key_file: give both or neither",
        ),
        ('"data/journal.db"', "7", "journal.path = 7: expected a path"),
        (
            'path = "data/journal.db"',
            "",
            "journal.path: is missing; expected a path, or journal.url of PostgreSQL",
        ),
        (
            'path = "data/journal.db"',
            'path = "data/journal.db"\nurl = "postgresql://user:secret@host/db"',
            "journal: path and url: expected one of them, not both",
        ),
        (
            'path = "data/journal.db"',
            'url = "postgres:/user:secret@host/db"',
            "journal.url: expected postgresql://USER@HOST:PORT/DATABASE",
        ),
        (
            "[journal]",
            "[[journal]]",
            "journal = [{'path': 'data/journal.db'}]: a table is expected",
        ),
    ],
)
def test_a_wrong_setting_says_its_path_its_value_and_what_is_allowed(
    tmp_path: Path, before: str, after: str, problem: str
) -> None:
    assert problems_of(tmp_path, GOOD.replace(before, after)) == [problem]


@pytest.mark.parametrize("text", ["[broker", "a = 1\na = 2", "\x00"])
def test_a_file_that_is_no_toml_is_one_clear_line(tmp_path: Path, text: str) -> None:
    (problem,) = problems_of(tmp_path, text)
    assert problem.startswith("not TOML: ")


def test_a_file_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid, match=r"cloud\.toml: No such file or directory$"):
        load_settings(tmp_path / "cloud.toml")


def test_the_example_we_ship_is_good_and_names_every_setting(tmp_path: Path) -> None:
    settings = load_settings(EXAMPLE)
    assert settings.broker.root == "st/1"
    text = EXAMPLE.read_text()
    tables = (getattr(settings, name) or ApiSettings for name in settings.__struct_fields__)
    for table in (settings, *tables):
        assert not [name for name in table.__struct_fields__ if name not in text]


def policies_of(folder: Path, *entries: str) -> list[SetPolicy]:
    path = folder / "policies.toml"
    path.write_text("\n".join(f"[[policies]]\n{entry}" for entry in entries))
    return load_policies(path)


def entry(store: str = "S001", gtin: str = GTIN, point: int = 2, up_to: int = 9) -> str:
    lines = [f'store = "{store}"', f'gtin = "{gtin}"']
    return "\n".join([*lines, f"reorder_point = {point}", f"order_up_to = {up_to}"])


def test_a_policy_becomes_a_command_for_the_14_digit_gtin(tmp_path: Path) -> None:
    (command,) = policies_of(tmp_path, entry(gtin="614141123452"))
    policy = Policy(reorder_point=2, order_up_to=9)
    assert command == SetPolicy(store="S001", gtin=GTIN, policy=policy)


def test_every_wrong_policy_is_named_by_its_index(tmp_path: Path) -> None:
    with pytest.raises(ConfigInvalid) as invalid:
        policies_of(
            tmp_path,
            entry(),
            entry(gtin="00614141123453"),
            entry(store="S/1"),
            entry(store="S002", point=9, up_to=9),
            entry(),
        )
    lines = str(invalid.value).splitlines()
    assert [line.partition(": ")[2] for line in lines] == [
        'policies[1].gtin = "00614141123453": its check digit should be 2',
        "policies[2].store = \"S/1\": use 1 to 32 letters, digits, '_' or '-'",
        "policies[3].order_up_to = 9: expected more than the reorder_point, 9",
        f"policies[4]: {GTIN} at S001 has a policy further up",
    ]


def test_a_policy_that_the_file_no_longer_has_is_withdrawn() -> None:
    policy = Policy(reorder_point=1, order_up_to=5)

    def row(gtin: str, policy: Policy | None) -> StateRow:
        state = SkuLocation(store="S001", gtin=gtin, version=1, policy=policy)
        return StateRow("S001", gtin, 1, encode_state(state))

    kept, gone, never = "00614141123452", "00614141999996", "00614141000005"
    rows = [row(kept, policy), row(gone, policy), row(never, None)]
    commands = [SetPolicy(store="S001", gtin=kept, policy=policy)]
    assert list(withdrawn(rows, commands)) == [SetPolicy(store="S001", gtin=gone, policy=None)]
