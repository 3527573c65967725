"""Belief: the probability distribution over what is truly on hand, beside the book."""

from cloud.sku_location.belief.believe import after_sale, believed
from cloud.sku_location.belief.estimate import Estimate, estimate

__all__ = ["Estimate", "after_sale", "believed", "estimate"]
