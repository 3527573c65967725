"""Hand-overs of a journal from a suspended owner to another: no stale commit is made (P3)."""
