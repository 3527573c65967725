"""Which benches there are, and with what sizes the suite and a comparison run them."""

from typing import Final, NamedTuple

PROGRAMS: Final = {
    "cloud": "stocktruth-cloud",
    "edge": "stocktruth-edge",
    "simulators": "stocktruth-sim",
}
"""By the package whose command line they are."""


class Bench(NamedTuple):
    """One bench: its command, and its arguments; `brief` for a comparison, if it is compared."""

    package: str
    words: str
    full: tuple[str, ...] = ()
    brief: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """What it is called."""
        return self.words.removeprefix("bench").strip(" -")

    def command(self, *, is_brief: bool = False) -> list[str]:
        """Return the arguments after the interpreter."""
        arguments = self.brief if is_brief else self.full
        return ["-m", self.package, *self.words.split(), *(arguments or ()), "--json"]

    def shown(self) -> str:
        """Return what to type."""
        return " ".join((PROGRAMS[self.package], self.words, *self.full))


BENCHES: Final = (
    Bench("cloud", "bench ingest", ("--facts", "240000"), ("--facts", "96000")),
    Bench("cloud", "bench pipeline", ("--for", "60"), ("--for", "10")),
    Bench("cloud", "bench fanout", (), ("--states", "50000")),
    Bench("cloud", "bench reserve", (), ("--peer-seconds", "4")),
    Bench("cloud", "bench growth", ("--facts", "48000")),
    Bench("cloud", "bench belief", ("--sku-locations", "200000"), ("--sku-locations", "50000")),
    Bench("cloud", "bench query", (), ("--sku-locations", "100000", "--requests", "200")),
    Bench("cloud", "bench resident", (), ("--sku-locations", "200000", "--active", "200000")),
    Bench("cloud", "bench recover", (), ("--sku-locations", "100000", "--kills", "3")),
    Bench("edge", "bench portal", (), ()),
    Bench("edge", "bench outbox", (), ()),
    Bench("simulators", "bench-idle", ("--for", "60")),
)
"""In the order in which they run; together they take less than ten minutes on two cores."""
