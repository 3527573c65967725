"""What every outbox promises. Subclass it with the fixture `outbox`."""

import threading

from edge.outbox.port import Outbox
from protocol.codec import decode_fact
from protocol.facts import AnyFact, UnitsSold
from protocol.ids import Epoch, Seq

GTIN = "00614141123452"


def sale(number: int) -> UnitsSold:
    return UnitsSold(
        occurred_at_ms=number,
        source="till-1",
        gtin=GTIN,
        quantity=1,
        measure="units",
        transaction=f"1/2026-11-24/{number}",
        line=1,
    )


def facts_in(outbox: Outbox) -> list[AnyFact]:
    return [decode_fact(pending.data) for pending in outbox.read(Seq(0), 10_000, 10_000_000)]


def numbers_in(outbox: Outbox) -> list[int]:
    return [pending.seq for pending in outbox.read(Seq(0), 10_000, 10_000_000)]


class OutboxContract:
    def test_facts_are_numbered_from_one_without_gaps(self, outbox: Outbox) -> None:
        outbox.append([sale(1), sale(2)])
        outbox.append([sale(3)])
        assert numbers_in(outbox) == [1, 2, 3]
        assert facts_in(outbox) == [sale(1), sale(2), sale(3)]

    def test_status_says_what_is_held(self, outbox: Outbox) -> None:
        assert (outbox.status().first_seq, outbox.status().next_seq) == (1, 1)
        outbox.append([sale(1), sale(2), sale(3)])
        outbox.trim(outbox.status().epoch, Seq(1))
        status = outbox.status()
        assert (status.first_seq, status.next_seq, status.pending) == (2, 4, 2)
        assert status.pending_bytes > 0

    def test_a_read_is_bounded_by_count_and_bytes_but_gives_at_least_one(
        self, outbox: Outbox
    ) -> None:
        outbox.append([sale(number) for number in range(10)])
        assert [fact.seq for fact in outbox.read(Seq(4), 2, 100_000)] == [5, 6]
        assert [fact.seq for fact in outbox.read(Seq(4), 10, 1)] == [5]
        assert outbox.read(Seq(10), 10, 100_000) == []

    def test_what_was_acknowledged_is_read_no_more_and_its_numbers_stay_taken(
        self, outbox: Outbox
    ) -> None:
        outbox.append([sale(1), sale(2)])
        outbox.trim(outbox.status().epoch, Seq(2))
        assert outbox.status().pending == 0
        outbox.append([sale(3)])
        assert numbers_in(outbox) == [3]

    def test_acknowledging_twice_or_less_than_before_changes_nothing(self, outbox: Outbox) -> None:
        outbox.append([sale(1), sale(2), sale(3)])
        for through in (2, 2, 1):
            outbox.trim(outbox.status().epoch, Seq(through))
        assert numbers_in(outbox) == [3]

    def test_an_acknowledgement_of_another_epoch_forgets_nothing(self, outbox: Outbox) -> None:
        outbox.append([sale(1)])
        before = outbox.status().epoch
        outbox.start_epoch(Seq(1))
        outbox.trim(before, Seq(1))
        assert outbox.status().pending == 1

    def test_a_new_epoch_keeps_what_was_not_delivered_and_numbers_it_from_one(
        self, outbox: Outbox
    ) -> None:
        outbox.append([sale(number) for number in range(1, 6)])
        before = outbox.status().epoch
        epoch = outbox.start_epoch(Seq(4))
        assert epoch == outbox.status().epoch != before
        assert numbers_in(outbox) == [1, 2]
        assert facts_in(outbox) == [sale(4), sale(5)]
        outbox.append([sale(6)])
        assert outbox.status().next_seq == 4

    def test_a_new_epoch_with_nothing_to_keep_begins_at_one(self, outbox: Outbox) -> None:
        outbox.append([sale(1), sale(2)])
        outbox.start_epoch(Seq(3))
        assert outbox.status().first_seq == outbox.status().next_seq == 1
        outbox.append([sale(3)])
        assert numbers_in(outbox) == [1]

    def test_a_new_epoch_after_acknowledgements_keeps_the_rest(self, outbox: Outbox) -> None:
        outbox.append([sale(number) for number in range(1, 6)])
        outbox.trim(outbox.status().epoch, Seq(2))
        outbox.start_epoch(Seq(3))
        assert facts_in(outbox) == [sale(3), sale(4), sale(5)]
        assert numbers_in(outbox) == [1, 2, 3]

    def test_checkpoints_are_found_by_prefix_and_outlive_their_facts(self, outbox: Outbox) -> None:
        outbox.append([sale(1)], {"tag/aa": b"1", "tag/ab": b"2", "tags/x": b"3"})
        outbox.append([], {"tag/aa": None, "tag/ab": b"4"})
        outbox.trim(outbox.status().epoch, Seq(1))
        outbox.start_epoch(Seq(2))
        assert outbox.checkpoints("tag/") == {"tag/ab": b"4"}
        assert outbox.checkpoints("tag") == {"tag/ab": b"4", "tags/x": b"3"}

    def test_concurrent_appends_are_all_stored_once_unbroken_and_in_one_sequence(
        self, outbox: Outbox
    ) -> None:
        def append_some(thread: int) -> None:
            for number in range(10):
                outbox.append([sale(1000 * thread + 2 * number + part) for part in (0, 1)])

        threads = [threading.Thread(target=append_some, args=(thread,)) for thread in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert numbers_in(outbox) == list(range(1, 161))
        times = [fact.occurred_at_ms for fact in facts_in(outbox)]
        assert len(set(times)) == 160
        pairs = zip(times[::2], times[1::2], strict=True)
        assert all(second == first + 1 for first, second in pairs)

    def test_who_asked_is_told_of_every_append(self, outbox: Outbox) -> None:
        told = threading.Semaphore(0)
        outbox.on_append(told.release)
        for number in range(3):
            outbox.append([sale(number)])
            assert told.acquire(timeout=5)

    def test_an_epoch_is_a_number_the_wire_can_carry(self, outbox: Outbox) -> None:
        assert Epoch(1) <= outbox.status().epoch <= Epoch(2**53 - 1)
