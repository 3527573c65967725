"""A long outage of one busy store: nothing lost, nothing doubled, drained fast, memory bounded."""
