"""Placement is the same everywhere, even, and moves little when shards are added."""

from collections import Counter

from cloud.shards.placement import shard_name, shard_of

STORES = [f"S{number:04d}" for number in range(2_000)]


def test_placement_is_the_same_in_every_process() -> None:
    assert [shard_of(store, 4) for store in STORES[:8]] == [1, 3, 3, 3, 2, 2, 2, 3]


def test_one_shard_owns_everything() -> None:
    assert {shard_of(store, 1) for store in STORES} == {0}


def test_stores_are_spread_evenly() -> None:
    stores_per_shard = Counter(shard_of(store, 8) for store in STORES)
    assert set(stores_per_shard) == set(range(8))
    assert max(stores_per_shard.values()) < 1.3 * min(stores_per_shard.values())


def test_a_further_shard_takes_stores_and_moves_no_others() -> None:
    moved = [store for store in STORES if shard_of(store, 8) != shard_of(store, 9)]
    assert {shard_of(store, 9) for store in moved} == {8}
    assert len(moved) < 2 * len(STORES) / 9


def test_a_shard_s_name_says_of_how_many_it_is() -> None:
    assert shard_name(0, 4) == "0-of-4"
