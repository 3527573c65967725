"""What every simulated peripheral does with faults: which it knows, and which it has now."""

from collections.abc import Mapping


class FaultSwitch:
    """The `FaultyDevice` port, for devices to build on. Faults that last are in `active`."""

    def __init__(self, name: str, faults: Mapping[str, str]) -> None:
        self.name = name
        self.faults: Mapping[str, str] = faults
        self.active: set[str] = set()

    def inject(self, kind: str) -> None:
        """Begin a fault. Raises `KeyError` for no kind of this device."""
        if kind not in self.faults:
            raise KeyError(kind)
        if kind not in self.active:
            self.active.add(kind)
            self.began(kind)

    def heal(self, kind: str | None = None) -> None:
        """End one fault, or all of them. Raises `KeyError` for no kind of this device."""
        if kind is not None and kind not in self.faults:
            raise KeyError(kind)
        for each in sorted(self.active if kind is None else self.active & {kind}):
            self.active.discard(each)
            self.ended(each)

    def began(self, kind: str) -> None:
        """A fault that was not there before has begun."""

    def ended(self, kind: str) -> None:
        """A fault is over."""
