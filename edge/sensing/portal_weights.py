"""The numbers of the portal's regression, as they were fitted. Data, not to be edited by hand.

Fitted on 90430 moments of 14355 simulated passages at which one may be decided, in three kinds:

- `simulators.world.portal_traffic`, seeds 1000 to 1002 and 1500 to 1502 with 400 carriers each, 10
  lingering tags and 50 strays at all times, and seeds 1600, 1601, 1650 and 1651 with 60 carriers
  each, one in half a minute, 30 lingering tags and 20 strays;
- the same with up to 80 % of the reads lost, levels from 10 dB lower to 6 dB higher, and their
  differences halved, quartered or lost, and up to three times as fast, so that no reader's power,
  no hall's echo and no distance of antennas is taken for granted;
- 6,000 passages with reads spread normally about the middle of each side's field, a quarter of
  them goods that are carried up to the portal and back.

A moment is right when the tag really goes through that way. Newton's method with a ridge of 5 on
standardised features and all their products (Hastie, Tibshirani and Friedman, "The Elements of
Statistical Learning", 2nd ed., section 4.4). Seeds 1000 to 1999 are not to be used to judge it.
"""

from typing import Final

MEANS: Final = (0.8077, 0.9902, 0.8712, 0.823, 1.16, -0.5434, 2.303, 1.698, -0.564)
"""Of each feature in the examples, in the order of `portal_score.FEATURES`."""
SCALES: Final = (0.2312, 0.03976, 0.2607, 0.11, 0.9361, 0.5536, 0.7469, 0.6066, 0.6017)
"""The standard deviations."""
INTERCEPT: Final = 6.413
LINEAR: Final = (0.09188, 0.5556, 0.4843, 1.03, 1.459, 0.4532, 0.888, -1.119, -1.087)
"""The weight of each standardised feature."""
PRODUCTS: Final = (
    (0.1465, -0.03441, -0.127, 0.09319, -0.1896, 0.02447, 0.08144, 0.1529, 0.1165),
    (-0.04358, -0.0355, 0.1353, 0.008751, 0.2092, -0.06229, 0.3832, -0.2164),
    (0.004643, 0.1121, -0.1606, 0.01656, 0.2466, 0.03407, -0.02867),
    (-0.1977, 0.3299, -0.314, 0.2088, -0.3219, 0.5723),
    (-0.5097, -0.02997, 0.3891, 0.06194, 0.07443),
    (0.3802, -0.3058, 0.2465, -0.1338),
    (-0.05059, -0.09053, 0.2859),
    (-0.4582, -0.1771),
    (-0.3051,),
)
"""The weight of each product of feature i with feature j, j from i on."""
