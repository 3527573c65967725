"""Deterministic simulation: the real code in one process, under virtual time and seeded faults."""
