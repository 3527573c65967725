"""How every line of an order stands against the stock of those that may take part. Pure."""

from cloud.orders.routing.plan import LineShortage
from cloud.orders.routing.screening import Screened


def line_shortages(screened: Screened) -> tuple[LineShortage, ...]:
    """Return wanted and available quantities of every line, by GTIN."""
    shortages = []
    for column, line in enumerate(screened.lines):
        stocks = [entrant.stock[column] for entrant in screened.entrants]
        late = sum(entrant.stock[column] for entrant in screened.late)
        shortages.append(
            LineShortage(
                gtin=line.gtin,
                measure=line.measure,
                wanted=line.quantity,
                available=sum(stocks),
                available_at_best=max(stocks, default=0),
                available_late=sum(stocks) + late,
            )
        )
    return tuple(shortages)
