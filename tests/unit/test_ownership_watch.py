"""A cloud that was replaced ends by itself, also in a quiet hour (P3)."""

import asyncio

import pytest

from cloud.errors import OwnershipLost
from cloud.journal.memory import MemoryJournal
from cloud.shards.ownership import OwnershipWatch
from cloud.sku_location.decide import LOGIC_ERA

SHARD = "0-of-1"


async def test_a_replaced_owner_is_told_without_a_commit() -> None:
    journal = MemoryJournal()
    owner_epoch = journal.take_ownership(SHARD, LOGIC_ERA, 0)
    watching = asyncio.create_task(OwnershipWatch(journal, owner_epoch, interval_s=0.01).run())
    done, _ = await asyncio.wait((watching,), timeout=0.1)
    assert not done
    journal.take_ownership(SHARD, LOGIC_ERA, 1)
    with pytest.raises(OwnershipLost, match="owner epoch 2 has taken over from 1"):
        await asyncio.wait_for(watching, timeout=5)
