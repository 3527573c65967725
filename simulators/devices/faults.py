"""The seam through which simulated devices are broken on purpose, while they run.

Each device says which kinds of fault it knows. `stocktruth-sim fault DEVICE KIND` and the faults
scripted in a scenario reach it through this port alone.
"""

from collections.abc import Mapping
from typing import Protocol


class FaultyDevice(Protocol):
    """A simulated device that can be broken and healed at run time, in its own event loop.

    `faults` maps each kind that the device knows to one sentence that says what it does.
    """

    name: str
    faults: Mapping[str, str]

    def inject(self, kind: str) -> None:
        """Begin a fault; beginning it again changes nothing. Raises `KeyError` for no kind of it.

        A fault that is over at once (a reboot, a dropped connection) happens here.
        """

    def heal(self, kind: str | None = None) -> None:
        """End one fault, or all of them."""
