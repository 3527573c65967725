"""What the day's look at a store's counts leads to. Pure."""

from cloud.commands.recounts import ReviewCounts
from cloud.shards.desk import Desk
from cloud.sku_location.belief import estimate
from cloud.sku_location.messages import FollowBelief
from cloud.sku_location.refusal import Refused


def review_counts(desk: Desk, command: ReviewCounts) -> None:
    """Let books follow beliefs where those are sure, and ask for recounts where they are not."""
    for gtin in command.settled:
        desk.tell(FollowBelief(store=command.store, gtin=gtin))
    for gtin in command.doubtful:
        _ask(desk, command.store, gtin)


def _ask(desk: Desk, store: str, gtin: str) -> None:
    state = desk.state(store, gtin)
    if isinstance(state, Refused) or not state.belief:
        return
    known = estimate(state, desk.now_ms)
    percent = round(100 * known.p_best)
    desk.notify(
        "recount",
        store,
        gtin,
        gtin=gtin,
        quantity=known.best,
        measure=state.measure,
        detail=f"believed {known.best} ({known.low} to {known.high}), {percent} % sure;"
        f" the book says {state.on_hand}",
    )
