"""Refusals: expected answers of a SKU-location, never exceptions."""

from enum import StrEnum
from typing import NamedTuple


class Refusal(StrEnum):
    """Why something is refused. Stored with quarantined facts, told by the API: never renamed."""

    MEASURE_CONFLICT = "measure_conflict"
    REPEATED_TAG = "repeated_tag"
    COUNT_OUTDATED = "count_outdated"
    TRANSACTION_CONFLICT = "transaction_conflict"
    SEQ_REUSED = "seq_reused"
    INVALID_GTIN = "invalid_gtin"
    INSUFFICIENT = "insufficient"
    VERSION_CONFLICT = "version_conflict"
    REPEATED_RESERVATION = "repeated_reservation"
    TOO_MANY_HOLDS = "too_many_holds"
    NOT_HELD = "not_held"
    EXPIRED = "expired"
    MORE_THAN_HELD = "more_than_held"
    MORE_THAN_UNAVAILABLE = "more_than_unavailable"
    UNKNOWN = "unknown"
    WRONG_STATUS = "wrong_status"
    KEY_REUSED = "key_reused"
    REPEATED_ID = "repeated_id"
    ALREADY_RETURNED = "already_returned"
    INVALID = "invalid"
    UNROUTABLE = "unroutable"


class Refused(NamedTuple):
    """A refusal is an answer: nothing changes, and `detail` says what was wrong and what to do."""

    reason: Refusal
    detail: str
