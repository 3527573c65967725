"""Baskets: till and exit held against each other across articles, to find mistaken till lines."""
