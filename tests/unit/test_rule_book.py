"""The rule book: filled from the journal, changed by commits, safe when rules cannot be used."""

import msgspec
import pytest

from cloud.commands.documents import DocumentKind, SetDocument
from cloud.journal.memory import MemoryJournal
from cloud.records.document import Document
from cloud.rule_book import RULES_ID, RuleBook
from cloud.rules.explanations import HIDDEN_ALL
from cloud.shards.messages import Submitted
from cloud.shards.shard import Shard
from cloud.sku_location.decide import LOGIC_ERA
from cloud.sku_location.state import SkuLocation
from protocol.ids import CLOUD_STORE_ID
from tests.shard_inputs import GTIN, NOW_MS, STORE

STATE = SkuLocation(store=STORE, gtin=GTIN, measure="units", on_hand=10)


def document(kind: str, name: str, body: object, version: int = 1) -> Document:
    data = b"" if body is None else msgspec.json.encode(body)
    return Document(
        store=CLOUD_STORE_ID, id=f"{kind}/{name}", kind=kind, body=data, version=version
    )


def rules(*entries: dict[str, object], version: int = 1) -> Document:
    body = {"schema": "rules/1", "rules": list(entries)}
    return document("rules", RULES_ID, body, version)


def hidden(book: RuleBook, channel: str = "web", now_ms: int = NOW_MS) -> int:
    answer = book.hidden(STATE, channel, 0, now_ms)
    (explanation,) = book.explained([STATE], channel, 0, now_ms)
    assert explanation.buffer.quantity == answer.quantity
    assert explanation.version == answer.rules_version
    return answer.quantity


def test_without_rules_nothing_is_hidden() -> None:
    assert hidden(RuleBook()) == 0


def test_a_commit_changes_what_is_hidden_at_once() -> None:
    book = RuleBook()
    book.note([rules({"name": "two", "hide": 2, "channels": ["web"]}, version=5)])
    assert (hidden(book), hidden(book, "app"), book.rules_version) == (2, 0, 5)
    book.note([document("rules", RULES_ID, None, version=6)])
    assert (hidden(book), book.rules_version) == (0, 6)


def test_promotions_are_on_between_their_times_at_their_locations() -> None:
    book = RuleBook()
    book.note([rules({"name": "sale", "hide": 3, "when": ["on_promotion"]})])
    body = {
        "gtins": [GTIN],
        "locations": [STORE],
        "starts_at": "2026-01-01T00:00:00Z",
        "expires_at": "2027-01-01T00:00:00Z",
    }
    book.note([document("promotion", "sale", body)])
    assert (hidden(book), hidden(book, now_ms=1_900_000_000_000)) == (3, 0)
    elsewhere = {**body, "locations": ["S002"]}
    book.note([document("promotion", "sale", elsewhere, 2)])
    assert hidden(book) == 0


def test_weather_and_place_are_read_together_and_forgotten_apart() -> None:
    book = RuleBook()
    when = ['country == "DE" && weather == "rain"']
    book.note([rules({"name": "rain", "hide": 1, "when": when})])
    book.note([document("location", STORE, {"country": "DE"})])
    book.note([document("weather", STORE, {"weather": "rain"})])
    assert hidden(book) == 1
    book.note([document("location", STORE, None, 2)])
    assert hidden(book) == 0


def test_rules_that_cannot_be_used_hide_everything(caplog: pytest.LogCaptureFixture) -> None:
    book = RuleBook()
    book.note([rules({"name": "two", "hide": 2, "when": ["no_such_name"]})])
    assert hidden(book) == HIDDEN_ALL
    assert "no_such_name" in caplog.text


def test_documents_are_found_again_in_the_journal() -> None:
    journal = MemoryJournal()
    shard = Shard(journal, "0-of-1", journal.take_ownership("0-of-1", LOGIC_ERA, NOW_MS))
    kinds: list[tuple[DocumentKind, str, object]] = [
        ("rules", RULES_ID, {"schema": "rules/1", "rules": [{"name": "two", "hide": 2}]}),
        ("location", STORE, {"latitude": 1.0, "longitude": 2.0}),
    ]
    for ticket, (kind, name, body) in enumerate(kinds, 1):
        command = SetDocument(
            store=CLOUD_STORE_ID, kind=kind, id=name, body=msgspec.json.encode(body)
        )
        shard.commit([Submitted(ticket=ticket, command=command)], NOW_MS)
    book = RuleBook()
    book.load(journal)
    assert hidden(book) == 2
    assert set(book.locations) == {STORE}
