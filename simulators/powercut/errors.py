"""What keeps a campaign of power cuts from going on."""

from simulators.errors import SimulatorError


class PowercutFailed(SimulatorError):
    """A guest, or the machine it runs on, cannot do what is asked; the text says what and why."""
