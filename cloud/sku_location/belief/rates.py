"""How often things go wrong, before anything is known of a store. Pure constants, argued.

They are priors: what a SKU-location learns about its own tags and its own exit weighs more after
some weeks. None of them is read from a scenario; a store that differs by a factor of two is
still served well.
"""

from typing import Final

TAG_READ: Final = 0.982
"""A healthy tag is read in a sweep. Assumed: an inventory by handheld is said to read 95 to 99 % of
apparel tags, of which the weak and the dead ones below are a part."""

TAG_READ_WEIGHT: Final = 60.0
"""How many reads of its own a GTIN needs to weigh as much as `TAG_READ`."""

WEAK_SHARE: Final = 0.02
WEAK_READ: Final = 0.6
"""Tags that are bent, shadowed by metal or detuned are read this often."""

DEAD_SHARE: Final = 0.005
"""Tags that never answer, and units whose tag was lost."""

EXIT_READ: Final = 0.92
EXIT_READ_WEIGHT: Final = 6.0
"""The exit reads a unit that leaves this often, once it has been seen to read this GTIN at all."""

SALE_FALSE: Final = 0.006
"""A till line of this GTIN while something else left: the wrong item of a family was keyed."""

ERROR_PERCENT: Final = 500
ERROR_PERCENT_MIN: Final = 50
ERROR_PERCENT_MAX: Final = 4_000
ERROR_LEARNT: Final = 0.4
"""Goods without tags have more mistaken lines (six flavours scanned as one, lists of codes at the
till); each count moves an article's own factor by this share of what it shows."""

SALE_SECOND_FALSE: Final = 0.1
SALE_FURTHER_FALSE: Final = 0.02
"""The second unit of a line of two tagged units was only keyed; or the last of a longer line.
Half a per cent of all lines has a wrong quantity, most of these have one unit and become two, and
few customers buy two alike."""

SALE_MORE: Final = 0.004
"""A unit more left than the line says: the quantity key, or a second unit not scanned."""

SALE_LESS: Final = 0.003
"""A unit less left than a line of several says."""

RETURN_FALSE: Final = 0.05
"""A refund line of this GTIN while something else came back."""

LOSS_PER_UNIT_DAY: Final = 0.00006
"""Units that leave and that nobody sees: 1 to 2 % of units a year are stolen or lost (ECR Retail
Loss; NRF National Retail Security Survey), half of them seen by the exit's reader."""

LOSS_UNSEEN_PER_UNIT_DAY: Final = 0.00012
"""The same where no reader watches the exit."""

GAIN_PER_DAY: Final = 0.00003
"""Units that turn up and that no paper told of."""

UNACCOUNTED: Final = 0.001
"""A tag is read of a unit that, as far as was known, could not be there."""

COUNT_RIGHT: Final = 0.965
COUNT_UNDER: Final = 0.022
COUNT_OVER: Final = 0.008
"""A manual count is right, one too low (a unit was misplaced or overlooked), one too high. Each
further unit off is `COUNT_FURTHER` times as likely."""
COUNT_FURTHER: Final = 0.3
COUNT_FLOOR: Final = 0.00002

RECEIPT_SHORT: Final = 0.007
RECEIPT_OVER: Final = 0.005
"""A delivery line, told by paper alone, brings a unit less or more than it says."""

DOCK_UNREAD: Final = 0.03
"""A unit that came through the dock was not read there; dead tags included."""
LINE_SHORT: Final = 0.009
"""A delivery line was short by one unit."""

ENTRY_STAYS: Final = 0.9
"""A known tag came in by the exit and no refund told of it: it stays. Else its owner carries it."""

SILENTLY_GONE_PER_DAY: Final = 0.0001
"""All of an article may be damaged, hidden or gone in a way that nobody told of."""

SURPRISE: Final = 0.002
"""A count or a sweep may always show that everything believed so far was wrong."""

DEMAND_MEMORY_DAYS: Final = 56
"""Sales fade from the rate of sale by a factor of e in about this time."""

SHELF_HOLDS_ALL: Final = 0.6
SHELF_WEIGHT: Final = 5.0
"""All units of the GTIN lie on its weighed shelves; the weight of that, in counts."""
SHELF_OFF_FURTHER: Final = 0.6
"""Each further unit that is not on the shelf is this much less likely."""
