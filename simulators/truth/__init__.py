"""Truth benchmark: what we believe of a simulated store, held against what is there."""
