"""How much single items of a product differ in weight, learnt from items that come and go. Pure."""

from typing import Final, NamedTuple

EVIDENCE_FIRST: Final = 4.0
"""How many items the configured spread is worth."""
EVIDENCE_MAX: Final = 200.0
"""So that a new batch, with another spread, is learnt in the end."""
VARIANCE_MIN_G2: Final = 0.01
DEVIATIONS_MAX: Final = 3.0
"""A surprise of more standard deviations counts as this many (Huber's clipping)."""


class Spread(NamedTuple):
    """The variance of one item's weight, and how many items it rests on."""

    variance_g2: float
    evidence: float = EVIDENCE_FIRST

    @property
    def items_seen(self) -> int:
        """How many items taught it."""
        return round(self.evidence - EVIDENCE_FIRST)

    def learnt(self, surprise_g: float, surprise_g2: float, item_share: float) -> "Spread":
        """Return the spread after one item came or went.

        The weighing was off by `surprise_g`, of which the variance was expected to be
        `surprise_g2`, `item_share` of one item's variance included. What the item itself was off
        is known from that only in expectation: one step of the EM algorithm for the noise of a
        linear system (Shumway and Stoffer 1982), into the scaled inverse chi-square posterior of a
        variance (Gelman et al., Bayesian Data Analysis, 3rd ed., 2.6).
        """
        part_g2 = item_share * self.variance_g2
        gain = part_g2 / surprise_g2
        clipped_g2 = min(surprise_g * surprise_g, DEVIATIONS_MAX**2 * surprise_g2)
        expected_g2 = (gain * gain * clipped_g2 + part_g2 * (1 - gain)) / item_share
        variance_g2 = (self.evidence * self.variance_g2 + expected_g2) / (self.evidence + 1)
        return Spread(max(VARIANCE_MIN_G2, variance_g2), min(EVIDENCE_MAX, self.evidence + 1))
