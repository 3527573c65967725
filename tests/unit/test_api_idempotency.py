"""What makes a request the same request, and what does not."""

import re

from cloud.api.idempotency import KEY_PATTERN, asked


def test_no_key_of_a_caller_can_be_the_key_of_an_item_of_a_bulk_request() -> None:
    item = asked("web", "cart", "POST", "/v1/reservations/bulk", b"{}").item(3)
    suffix = item.key.removeprefix("web:")
    assert not re.match(KEY_PATTERN, suffix)
    for key in ("cart#3", "cart-3", "cart:3"):
        alone = asked("web", key, "POST", "/v1/reservations", b"{}")
        assert alone.key != item.key
        assert alone.derived_id("r") != item.derived_id("r")


def test_another_version_asked_for_is_another_request() -> None:
    first = asked("ops", "k", "PUT", "/v1/rules", b"{}", '"1"')
    assert first.digest != asked("ops", "k", "PUT", "/v1/rules", b"{}", '"2"').digest
    assert first.digest != asked("ops", "k", "PUT", "/v1/rules", b"{}").digest
    assert first == asked("ops", "k", "PUT", "/v1/rules", b" { } ", '"1"')
