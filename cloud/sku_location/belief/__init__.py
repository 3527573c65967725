"""Belief: the probability distribution over what is truly on hand, beside the book."""

from cloud.sku_location.belief.believe import after_sale, believed
from cloud.sku_location.belief.estimate import Estimate, estimate
from cloud.sku_location.belief.estimator import Estimator

__all__ = ["Estimate", "Estimator", "after_sale", "believed", "estimate"]
