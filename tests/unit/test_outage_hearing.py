"""Latencies of an outage run: each sale belongs to the phase in which it was made."""

from simulators.outage.hearing import NS_PER_MS, Hearing, Phase

GTIN = "00614141123452"
OTHER_GTIN = "00614141999996"


def test_a_sale_is_heard_when_a_state_says_as_many_or_more() -> None:
    hearing = Hearing()
    hearing.sold(GTIN, 1, 0)
    hearing.sold(GTIN, 2, 5 * NS_PER_MS)
    hearing.sold(OTHER_GTIN, 1, 0)
    hearing.heard(GTIN, 2, 15 * NS_PER_MS)
    assert hearing.unheard() == 1
    assert hearing.measured(Phase.BEFORE) == 2
    assert hearing.percentile_ms(Phase.BEFORE, 50) == 10.0
    assert hearing.percentile_ms(Phase.BEFORE, 99) == 15.0


def test_sales_of_an_outage_are_told_from_those_made_while_draining() -> None:
    hearing = Hearing()
    hearing.phase = Phase.OUTAGE
    hearing.sold(GTIN, 1, 0)
    hearing.phase = Phase.DRAINING
    hearing.sold(GTIN, 2, 50 * NS_PER_MS)
    hearing.heard(GTIN, 1, 60 * NS_PER_MS)
    assert hearing.unheard(Phase.OUTAGE) == 0
    assert hearing.unheard(Phase.DRAINING) == 1
    hearing.heard(GTIN, 2, 70 * NS_PER_MS)
    assert hearing.percentile_ms(Phase.OUTAGE, 99) == 60.0
    assert hearing.percentile_ms(Phase.DRAINING, 99) == 20.0
    assert hearing.last_heard_ns[Phase.OUTAGE] == 60 * NS_PER_MS


def test_nothing_measured_is_no_latency() -> None:
    assert Hearing().percentile_ms(Phase.AFTER, 99) == 0.0
