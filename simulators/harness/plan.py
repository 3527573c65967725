"""What happens in one simulated run: drawn from its seed, as data. Pure.

Swarm testing (Groce et al., "Swarm Testing", ISSTA 2012): each seed switches most kinds of fault
off, so that those that are on meet often, and rare combinations are not drowned by common ones.
A plan can be thinned out (`without`), which is how a failing one is shrunk.
"""

from collections.abc import Collection
from random import Random
from typing import Any, Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from simulators.harness.virtual_loop import TURNS_MAX

FAULTS_FOR_S: Final = 300.0
"""How long faults are thrown at the stores, in virtual seconds."""

STORES: Final = ("S001", "S002")
STRIKES_OF_ALWAYS: Final = 3
FROM_AN_IMAGE: Final = ("clone", "restore_image")
IMAGES_FROM_S: Final = 60.0
"""By then the opening receipt is delivered."""
HOUR_S: Final = 3_600.0
OUTAGE_BEGINS_S: Final = 60.0
OUTAGE_TURNS_PER_S: Final = 500
OUTAGE_ACTS_EVERY_S: Final = 20.0
OUTAGE_ASKS_EVERY_S: Final = 600.0
SWARM_SHARE: Final = 0.3
"""How likely a kind of fault is on in a seed."""

GATEWAY_STRIKES: Final = (
    "kill",
    "kill_soon",
    "power_cut",
    "stop",
    "partition",
    "reset",
    "clock_jump",
    "disk_full",
    "sync_fails",
    "restore_image",
    "clone",
)
CLOUD_STRIKES: Final = (
    "kill",
    "kill_soon",
    "power_cut",
    "stop",
    "partition",
    "reset",
    "disk_full",
    "sync_fails",
    "take_over",
)
BROKER_STRIKES: Final = ("crash",)

WEATHER: Final[dict[str, tuple[float, float]]] = {
    "drop": (0.01, 0.2),
    "duplicate": (0.01, 0.3),
    "reorder": (0.01, 0.3),
    "delay_ms": (5, 1_500),
    "puback_lost": (0.005, 0.1),
    "reset": (0.001, 0.01),
    "connect_refused": (0.05, 0.5),
    "will_late": (0.1, 1.0),
    "queue_max": (2, 50),
    "retained_to_qos1_max": (1, 100),
}
"""What the network and the broker do all the time while faults are on, and how badly."""


class Strike(NamedTuple):
    """One fault at a time. `for_s` is how long it lasts, or how long its victim stays down."""

    number: int
    at_s: float
    kind: str
    target: str
    for_s: float
    draw: float
    """Decides details, 0 to 1."""


class Plan(Struct, frozen=True, kw_only=True):
    """Everything that a run depends on, besides the code."""

    seed: int
    weather: dict[str, float]
    strikes: tuple[Strike, ...]
    has_counts: bool
    has_deliveries: bool
    goods_per_store: int
    act_every_s: float
    ask_every_s: float
    faults_for_s: float = FAULTS_FOR_S
    turns_max: int = TURNS_MAX
    log_pages_max: int | None = None
    """Write-ahead logs are moved into their databases above so many pages; `None`: as ever.

    Five minutes of two stores would hardly fill one.
    """

    def without(self, weather: Collection[str], strikes: Collection[int]) -> "Plan":
        """Return the plan with some faults left out."""
        return replace(
            self,
            weather={kind: value for kind, value in self.weather.items() if kind not in weather},
            strikes=tuple(strike for strike in self.strikes if strike.number not in strikes),
        )


def draw_plan(seed: int, always: Collection[str] = ()) -> Plan:
    """Return the plan of a seed; kinds that are `always` on are not left to chance."""
    rng = Random(f"plan {seed}")
    kinds = dict.fromkeys((*GATEWAY_STRIKES, *CLOUD_STRIKES, *WEATHER))
    swarm = {kind for kind in kinds if rng.random() < SWARM_SHARE or kind in always}
    strikes = sorted(_strikes(rng, swarm, always), key=lambda strike: strike.at_s)
    # A count means "as of": a clock that jumps, or goods that a restored gateway never told of,
    # make the same count mean something else, and nobody can know (docs/guarantees.md).
    spoils_counts = {"clock_jump", "restore_image", "clone"} & {each.kind for each in strikes}
    return Plan(
        seed=seed,
        weather={kind: rng.uniform(*bounds) for kind, bounds in WEATHER.items() if kind in swarm},
        strikes=tuple(strike._replace(number=n) for n, strike in enumerate(strikes)),
        has_counts=rng.random() < 0.5 and not spoils_counts,
        has_deliveries=not _lives_twice_twice(strikes),
        goods_per_store=rng.choice((2, 3, 6)),
        act_every_s=rng.choice((4.0, 8.0, 15.0)),
        ask_every_s=rng.choice((2.0, 6.0, 12.0)),
        log_pages_max=rng.choice((None, 64, 8)),
    )


def _lives_twice_twice(strikes: list[Strike]) -> bool:
    """Say whether a store's outbox lives from an image more than once.

    A receipt has no key but its number in the outbox. If it is still undelivered when a second
    image is taken of an outbox that must leave its epoch, both lives take it along into epochs of
    their own, and it counts twice (docs/guarantees.md).
    """
    images = [each.target for each in strikes if each.kind in FROM_AN_IMAGE]
    return len(images) > len(set(images))


def outage_plan(seed: int, outage_h: float) -> Plan:
    """Return a plan in which the first store hears of nobody for so many hours, and sells on."""
    outage_s = outage_h * HOUR_S
    began_s = OUTAGE_BEGINS_S
    cut = Strike(
        number=0, at_s=began_s, kind="partition", target=STORES[0], for_s=outage_s, draw=0.0
    )
    return Plan(
        seed=seed,
        weather={},
        strikes=(cut,),
        has_counts=False,
        has_deliveries=True,
        goods_per_store=6,
        act_every_s=OUTAGE_ACTS_EVERY_S,
        ask_every_s=OUTAGE_ASKS_EVERY_S,
        faults_for_s=began_s + outage_s + began_s,
        turns_max=TURNS_MAX + int(outage_s * OUTAGE_TURNS_PER_S),
    )


def _strikes(rng: Random, swarm: set[str], always: Collection[str]) -> list[Strike]:
    drawn: list[Strike] = []

    def draw(kinds: tuple[str, ...], target: str, most: int) -> None:
        usable = [kind for kind in kinds if kind in swarm or kind == "crash"]
        count = rng.randrange(most) if usable else 0
        drawn.extend(_strike(rng, rng.choice(usable), target) for _ in range(count))
        for kind in kinds:
            if kind in always:
                drawn.extend(_strike(rng, kind, target) for _ in range(STRIKES_OF_ALWAYS))

    for store in STORES:
        draw(GATEWAY_STRIKES, store, 7)
    draw(CLOUD_STRIKES, "cloud", 8)
    draw(BROKER_STRIKES, "broker", 3)
    return drawn


def _strike(rng: Random, kind: str, target: str) -> Strike:
    begin_s = IMAGES_FROM_S if kind in FROM_AN_IMAGE else 5
    return Strike(
        number=0,
        at_s=rng.uniform(begin_s, FAULTS_FOR_S),
        kind=kind,
        target=target,
        for_s=rng.choice((0.2, 2.0, 10.0, 60.0)) * rng.uniform(0.5, 1.5),
        draw=rng.random(),
    )


def described(plan: Plan) -> dict[str, Any]:
    """Return a plan as one would print it."""
    return {
        "seed": plan.seed,
        "weather": plan.weather,
        "strikes": [
            f"{s.number}: at {s.at_s:.3f} s {s.kind} {s.target}, {s.for_s:.1f} s"
            for s in plan.strikes
        ],
        "counts": plan.has_counts,
    }
