"""Errors of the simulators. The name says whose fault it is."""


class SimulatorError(Exception):
    """Base class of everything the simulators raise."""


class AddressUnavailable(SimulatorError):
    """A simulated device cannot listen where it was told to; the text names the address."""


class ScenarioInvalid(SimulatorError):
    """A scenario file cannot be used; the text says where and why."""


class ChildDied(SimulatorError):
    """A child process of a demo ended unasked; the text has name, status and last words."""


class DemoFailed(SimulatorError):
    """A demo could not do what it was asked to; the text says what and why."""


class HttpFailed(SimulatorError):
    """There was no answer to an HTTP request; the text has the request and why."""


class ApiRefused(SimulatorError):
    """The API answered what the simulation cannot go on with; the text has request and answer."""


class BenchmarkFailed(SimulatorError):
    """A benchmark came upon what must not happen; the text says what."""


class FaultRefused(SimulatorError):
    """A fault that no device of the store knows, or no store that could have one."""
