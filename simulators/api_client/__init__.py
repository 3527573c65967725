"""The HTTP API as a stranger knows it: bytes, JSON and the documented fields, nothing of ours."""
