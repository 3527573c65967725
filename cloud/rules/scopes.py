"""Which rules are in scope, without looking at each: one bit a rule, one lookup a kind of scope."""

from collections.abc import Iterable, Sequence

from cloud.rules.context import Context
from cloud.rules.documents import Rule
from protocol.ids import parse_gtin


class ScopeIndex:
    """Answers which of the rules, by their place in the sequence, have a context in scope."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._channels = _Dimension(rule.channels for rule in rules)
        self._locations = _Dimension(rule.locations for rule in rules)
        self._gtins = _Dimension(map(parse_gtin, rule.gtins) for rule in rules)
        self._demand_classes = _Dimension(rule.demand_classes for rule in rules)

    def mask(self, context: Context) -> int:
        """Return a number with bit `n` set for each rule `n` in scope."""
        return (
            self._channels.mask(context.moment.channel)
            & self._locations.mask(context.location.location)
            & self._gtins.mask(context.sku.gtin)
            & self._demand_classes.mask(context.sku.demand_class)
        )


class _Dimension:
    def __init__(self, entries_by_rule: Iterable[Iterable[str]]) -> None:
        self._listed: dict[str, int] = {}
        self._everywhere = 0
        for place, entries in enumerate(entries_by_rule):
            listed = set(entries)
            for entry in listed:
                self._listed[entry] = self._listed.get(entry, 0) | 1 << place
            if not listed:
                self._everywhere |= 1 << place

    def mask(self, value: str) -> int:
        return self._everywhere | self._listed.get(value, 0)
