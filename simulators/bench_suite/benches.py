"""Which benches there are, and with what sizes the suite and a comparison run them."""

from typing import Final, NamedTuple


class Bench(NamedTuple):
    """One bench: the module of its command line and its arguments; `brief` for a comparison."""

    module: str
    name: str
    full: tuple[str, ...]
    brief: tuple[str, ...] | None

    def command(self, *, is_brief: bool = False) -> list[str]:
        """Return the arguments after the interpreter."""
        arguments = self.brief if is_brief else self.full
        return ["-m", self.module, "bench", self.name, *(arguments or ()), "--json"]


BENCHES: Final = (
    Bench("cloud", "ingest", ("--facts", "240000"), ("--facts", "96000")),
    Bench("cloud", "growth", ("--facts", "48000"), None),
    Bench("cloud", "belief", ("--sku-locations", "200000"), ("--sku-locations", "50000")),
    Bench("cloud", "query", (), ("--sku-locations", "100000", "--requests", "200")),
    Bench("cloud", "resident", (), ("--sku-locations", "200000", "--active", "200000")),
    Bench("cloud", "fanout", (), ("--states", "60000")),
    Bench("cloud", "pipeline", ("--for", "60"), ("--for", "12")),
    Bench("cloud", "recover", (), ("--sku-locations", "100000", "--kills", "3")),
)
"""In the order in which they run; together they take less than ten minutes on two cores."""
