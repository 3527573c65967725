"""Errors of the simulators. The name says whose fault it is."""


class SimulatorError(Exception):
    """Base class of everything the simulators raise."""


class AddressUnavailable(SimulatorError):
    """A simulated device cannot listen where it was told to; the text names the address."""
