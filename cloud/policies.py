"""The policy file against the journal: which policies are new, changed or withdrawn. Pure.

The file is the authority; the shard journals a command only where it changes something.
"""

from collections.abc import Iterable, Iterator

from cloud.journal.rows import StateRow, decode_state
from cloud.shards.messages import SetPolicy


def withdrawn(rows: Iterable[StateRow], commands: Iterable[SetPolicy]) -> Iterator[SetPolicy]:
    """Return a command for every SKU-location with a policy that the file no longer has."""
    kept = {(command.store, command.gtin) for command in commands}
    for row in rows:
        if (row.store, row.gtin) not in kept and decode_state(row.data).policy is not None:
            yield SetPolicy(store=row.store, gtin=row.gtin, policy=None)
