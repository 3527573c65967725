"""The books of a power-cut campaign notice each kind of loss, on notes that a guest might tell."""

from msgspec.structs import replace

from simulators.powercut.books import Books
from simulators.powercut.goods import content_digest, expected_digest, names_of
from simulators.powercut.notes import (
    Appended,
    Committed,
    EpochStarted,
    FoundJournal,
    FoundOutbox,
    Input,
    Numbered,
    Owned,
    Sent,
)
from simulators.powercut.survey import Survey

EPOCH = 1001
LINE = "1.0"
APPENDS = 6
NAMES = [name for n in range(1, APPENDS + 1) for name in names_of(LINE, n)]
SENT = 4
"""So many facts are in the journal already."""


def numbered(first_seq: int, names: list[str]) -> list[Numbered]:
    return [Numbered(seq, name, expected_digest(name)) for seq, name in enumerate(names, first_seq)]


BATCH = Input(
    1,
    "batch",
    EPOCH,
    1,
    SENT,
    "frame",
    content_digest(map(expected_digest, NAMES[:SENT])),
    NAMES[:SENT],
)
COMMAND = Input(2, "command", 0, 0, 0, "command", "", ["1.command.1"])


def promised() -> Books:
    books = Books()
    books.begin_data_set("set-1")
    books.hear(EpochStarted(epoch=EPOCH))
    books.hear(Owned(owner_epoch=1))
    for n in range(1, APPENDS + 1):
        books.hear(Appended(line=LINE, n=n))
    books.hear(Sent(epoch=EPOCH, facts=numbered(1, NAMES[:SENT])))
    books.hear(Committed(position=2, batches=["frame"], commands={"1.command.1": 2}))
    books.note_cut()
    return books


def whole() -> Survey:
    return Survey(
        outbox=FoundOutbox(
            integrity="ok",
            epoch=EPOCH,
            first_seq=SENT + 1,
            next_seq=len(NAMES) + 1,
            marks={LINE: APPENDS},
        ),
        journal=FoundJournal(
            integrity="ok",
            position=2,
            published_through=1,
            watermarks={EPOCH: SENT},
            inputs_replayed=2,
            difference_count=0,
            differences=[],
        ),
        facts=numbered(SENT + 1, NAMES[SENT:]),
        inputs=[BATCH, COMMAND],
    )


def outbox_of(survey: Survey) -> FoundOutbox:
    assert survey.outbox is not None
    return survey.outbox


def journal_of(survey: Survey) -> FoundJournal:
    assert survey.journal is not None
    return survey.journal


def violations(survey: Survey, books: Books | None = None) -> dict[str, int]:
    books = books or promised()
    books.judge(survey, 0.1)
    found = books.findings
    kinds = ("lost", "doubled", "altered", "reused", "corrupt")
    return {kind: getattr(found, kind) for kind in kinds if getattr(found, kind)}


def test_what_was_promised_and_is_there_is_no_violation() -> None:
    books = promised()
    assert violations(whole(), books) == {}
    assert (books.cuts_judged, books.openings, books.openings_caught) == (1, 1, 0)


def test_a_trim_that_was_taken_back_is_no_violation() -> None:
    survey = whole()
    survey.outbox = replace(outbox_of(survey), first_seq=1)
    survey.facts = numbered(1, NAMES)
    assert violations(survey) == {}


def test_a_missing_append_is_lost_and_its_number_about_to_be_reused() -> None:
    books, survey = promised(), whole()
    books.hear(Sent(epoch=EPOCH, facts=numbered(SENT + 1, NAMES[SENT:])))
    kept = [name for n in range(1, APPENDS) for name in names_of(LINE, n)]
    survey.outbox = replace(outbox_of(survey), next_seq=len(kept) + 1, marks={LINE: APPENDS - 1})
    survey.facts = numbered(SENT + 1, kept[SENT:])
    assert violations(survey, books) == {"lost": 1, "reused": 1}
    assert books.openings_caught == 1


def test_a_checkpoint_without_its_facts_is_corrupt() -> None:
    survey = whole()
    survey.outbox = replace(outbox_of(survey), marks={LINE: APPENDS + 1})
    assert violations(survey) == {"corrupt": 1}


def test_a_number_with_another_fact_is_reused() -> None:
    books = promised()
    books.hear(Sent(epoch=EPOCH, facts=numbered(SENT, NAMES[:1])))
    assert books.findings.reused == 1


def test_a_fact_with_other_content_is_altered() -> None:
    survey = whole()
    survey.facts[0] = Numbered(SENT + 1, NAMES[SENT], expected_digest(NAMES[0]))
    assert violations(survey) == {"altered": 1}


def test_an_epoch_that_had_begun_and_is_gone_is_lost() -> None:
    books = promised()
    books.hear(EpochStarted(epoch=EPOCH + 1))
    assert violations(whole(), books)["lost"] == 1


def test_a_missing_input_is_lost() -> None:
    survey = whole()
    survey.inputs = [BATCH]
    survey.journal = replace(journal_of(survey), position=1)
    assert violations(survey) == {"lost": 1}


def test_an_owner_epoch_that_is_given_again_is_lost() -> None:
    books = promised()
    books.hear(Owned(owner_epoch=1))
    assert books.findings.lost == 1


def test_an_input_is_the_same_after_every_later_cut() -> None:
    books, survey = promised(), whole()
    books.judge(whole(), 0.1)
    survey.inputs = [replace(BATCH, digest="another"), COMMAND]
    books.note_cut()
    assert violations(survey, books) == {"lost": 1, "altered": 1}


def test_a_batch_that_is_there_twice_is_doubled() -> None:
    survey = whole()
    again = replace(BATCH, position=3, epoch=EPOCH - 1)
    survey.inputs = [BATCH, COMMAND, again]
    survey.journal = replace(
        journal_of(survey), position=3, watermarks={EPOCH - 1: SENT, EPOCH: SENT}
    )
    assert violations(survey)["doubled"] == 1 + SENT


def test_watermark_integrity_and_replay_are_looked_at() -> None:
    survey = whole()
    survey.journal = replace(
        journal_of(survey), watermarks={EPOCH: SENT + 1}, difference_count=2, integrity="no"
    )
    assert violations(survey) == {"corrupt": 3}
