"""Benches over the whole route: real processes, a real broker, and their limit beside them."""
