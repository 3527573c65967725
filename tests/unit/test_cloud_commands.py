"""The commands of `stocktruth-cloud` that only read a journal, and how they answer mistakes."""

import base64
import json
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from typer.testing import CliRunner, Result

from cloud.__main__ import app
from cloud.journal.sqlite import SqliteJournal
from cloud.shards.messages import BatchReceived, PayloadRefused, SetPolicy
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.state import Policy
from protocol.codec import encode_up
from protocol.envelope import FactBatch
from protocol.facts import AnyFact, StockCounted, UnitsSold

GTIN = "00614141123452"
OTHER = "00614141999996"


def counted(gtin: str, quantity: int) -> StockCounted:
    return StockCounted(
        occurred_at_ms=1,
        source="sweep",
        gtin=gtin,
        quantity=quantity,
        measure="units",
        evidence="sweep",
        document="count 7",
    )


def sold(gtin: str, line: int) -> UnitsSold:
    return UnitsSold(
        occurred_at_ms=2,
        source="till-1",
        gtin=gtin,
        quantity=1,
        measure="units",
        transaction="T1",
        line=line,
    )


def received(store: str, *facts: AnyFact) -> BatchReceived:
    batch = FactBatch(store=store, epoch=7, first_seq=1, sent_at_ms=1, facts=list(facts))
    return BatchReceived(batch=batch, frame=encode_up(batch))


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose journal holds two stores and a refused payload."""
    config = tmp_path / "cloud.toml"
    config.write_text('[broker]\nurl = "mqtt://localhost"\n[journal]\npath = "journal.db"\n')
    with closing(SqliteJournal(tmp_path / "journal.db")) as journal:
        shard = Shard(journal, "0-of-1", journal.take_ownership("0-of-1", LOGIC_ERA, 0))
        policy = Policy(reorder_point=1, order_up_to=5)
        shard.commit([SetPolicy(store="S003", gtin=GTIN, policy=policy)], 5)
        shard.commit([received("S001", counted(GTIN, 4), sold(GTIN, 1), counted(OTHER, 2))], 5)
        shard.commit([received("S002", counted(GTIN, 9))], 6)
        refused = PayloadRefused(
            topic="st/1/S001/up/facts",
            store="S001",
            reason="not_a_frame",
            detail="a bell \a and\na line",
            payload=b"rubbish" * 100,
            received_at_ms=7,
        )
        shard.commit([refused], 7)
    return config


def command(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--config", str(config)])


def lines_of(config: Path, *arguments: str) -> list[list[str]]:
    result = command(config, *arguments)
    assert result.exit_code == 0, result.output
    return [line.split("\t") for line in result.stdout.splitlines()]


def test_stock_shows_every_sku_location_that_has_goods(config: Path) -> None:
    header, *rows = lines_of(config, "stock")
    assert header[:4] == ["store", "gtin", "version", "on_hand"]
    assert [row[:4] for row in rows] == [
        ["S001", GTIN, "2", "3"],
        ["S001", OTHER, "1", "2"],
        ["S002", GTIN, "1", "9"],
    ]


def test_stock_can_be_asked_for_one_gtin_or_one_sku_location(config: Path) -> None:
    assert [row[0] for row in lines_of(config, "stock", GTIN)[1:]] == ["S001", "S002"]
    assert [row[0] for row in lines_of(config, "stock", f"{GTIN}@S002")[1:]] == ["S002"]
    assert lines_of(config, "stock", f"{GTIN[2:]}@S002") == lines_of(
        config, "stock", f"{GTIN}@S002"
    )


def test_stock_as_json_is_the_published_document(config: Path) -> None:
    (document,) = json.loads(command(config, "stock", f"{GTIN}@S001", "--json").stdout)
    assert (document["schema"], document["on_hand"]) == ("stock/1", 3)


def test_history_names_the_facts_that_made_a_count(config: Path) -> None:
    steps = json.loads(command(config, "history", f"{GTIN}@S001", "--json").stdout)
    assert [(s["version"], s["event"], s["change"], s["on_hand"]) for s in steps] == [
        (1, "OpeningCounted", 4, 4),
        (2, "Sold", -1, 3),
    ]
    assert [(s["epoch"], s["seq"], s["document"]) for s in steps] == [
        (7, 1, "count 7"),
        (7, 2, "T1/1"),
    ]
    assert lines_of(config, "history", f"{GTIN}@S001")[2][:4] == ["2", "Sold", "3", "-1"]


def test_verify_of_a_true_journal_is_identical(config: Path) -> None:
    result = command(config, "verify")
    assert result.exit_code == 0
    assert result.stdout.startswith("identical: 4 states, 0 reorders, 2 watermarks, 1 till lines, ")
    (report,) = json.loads(command(config, "verify", "--json").stdout)
    assert (report["difference_count"], report["states_compared"]) == (0, 4)


def test_verify_names_a_state_that_somebody_changed_by_hand(config: Path) -> None:
    journal = apsw.Connection(str(config.parent / "journal.db"))
    journal.execute(
        "UPDATE states SET state = (SELECT state FROM states WHERE store = 'S002')"
        " WHERE store = 'S001' AND gtin = ?",
        (GTIN,),
    )
    journal.close()
    result = command(config, "verify")
    assert result.exit_code == 1
    assert f"{GTIN}@S001" in result.stdout
    assert result.stdout.splitlines()[-1].startswith("different: 1 differences; ")


def test_quarantine_lists_and_shows_what_was_refused_without_its_control_characters(
    config: Path,
) -> None:
    (row,) = lines_of(config, "quarantine", "list")[1:]
    assert row[1:5] == ["quarantined", "S001", "not_a_frame", "1"]
    assert row[6] == "a bell \N{REPLACEMENT CHARACTER} and\N{REPLACEMENT CHARACTER}a line"
    shown = command(config, "quarantine", "show", row[0]).stdout
    assert "72 75 62 62 69 73 68" in shown
    assert "444 more bytes" in shown
    assert lines_of(config, "quarantine", "list", "--store", "S002")[1:] == []
    (entry,) = json.loads(command(config, "quarantine", "show", row[0], "--json").stdout)
    assert base64.b64decode(entry["payload"]) == b"rubbish" * 100


def test_an_entry_is_marked_for_redrive_and_dropped(config: Path) -> None:
    ((entry_id, *_),) = lines_of(config, "quarantine", "list")[1:]
    assert command(config, "quarantine", "redrive", entry_id).exit_code == 0
    assert lines_of(config, "quarantine", "list")[1][1] == "redrive_requested"
    result = command(config, "quarantine", "drop", entry_id, "99")
    assert result.exit_code == 2
    assert f"{entry_id}: dropped" in result.stdout
    assert "no such entry to do that with: 99" in result.stderr
    assert lines_of(config, "quarantine", "list")[1:] == []


def test_an_empty_answer_is_an_empty_json_array(config: Path) -> None:
    assert command(config, "quarantine", "list", "--store", "S9", "--json").stdout == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["stock", "123"], "'123' is not a valid GTIN"),
        (["stock", GTIN[:-1] + "0"], "its check digit should be 2"),
        (["stock", f"{OTHER}@S002"], f"nothing is known of {OTHER}@S002"),
        (["history", GTIN], "say at which store, as GTIN@STORE"),
        (["history", f"{GTIN}@"], "'' is not a valid store id"),
        (["history", f"{OTHER}@S002"], f"nothing is known of {OTHER}@S002"),
        (["quarantine", "show", "99"], "there is no entry 99"),
    ],
)
def test_a_user_s_mistake_is_one_clear_line(config: Path, arguments: list[str], says: str) -> None:
    result = command(config, *arguments)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("stocktruth-cloud: ")
    assert says in line


@pytest.mark.parametrize("arguments", [["run"], ["check"], ["verify"], ["stock"]])
def test_a_wrong_configuration_is_named_and_nothing_runs(
    tmp_path: Path, arguments: list[str]
) -> None:
    path = tmp_path / "cloud.toml"
    path.write_text('[broker]\nurl = "x"\n[jornal]\n')
    result = command(path, *arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert "did you mean 'journal'?" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_journal_that_was_never_made_is_no_mystery(config: Path) -> None:
    (config.parent / "journal.db").unlink()
    result = command(config, "verify")
    assert result.exit_code == 2
    assert "there is no journal here yet" in result.stderr


def test_a_journal_that_is_none_fails_with_one_line(config: Path) -> None:
    (config.parent / "journal.db").write_bytes(b"not a database, but long enough to be one" * 99)
    result = command(config, "verify")
    assert result.exit_code == 1
    (line,) = result.stderr.splitlines()
    assert line.startswith("stocktruth-cloud: ")


def test_check_says_that_all_is_good(config: Path) -> None:
    result = command(config, "check")
    assert (result.exit_code, result.stdout) == (
        0,
        f"{config}: good; 0 policies, broker mqtt://localhost\n",
    )


def test_a_journal_that_cannot_be_made_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    path = tmp_path / "cloud.toml"
    path.write_text('[broker]\nurl = "mqtt://localhost"\n[journal]\npath = "file/journal.db"\n')
    result = command(path, "run")
    assert result.exit_code == 2
    assert "journal.path: cannot make" in result.stderr


def test_a_certificate_that_is_not_there_is_a_mistake_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "cloud.toml"
    path.write_text(
        '[broker]\nurl = "mqtts://localhost"\nca_file = "ca.pem"\n[journal]\npath = "j.db"\n'
    )
    result = command(path, "run")
    assert result.exit_code == 2
    assert "ca.pem: No such file or directory" in result.stderr
