"""How a reader says that a request succeeded or why it did not (LLRP 1.0.1 §14.2)."""

from llrpkit.protocol import params
from llrpkit.protocol.enums import StatusCode

from simulators.errors import SimulatorError


class RequestRefused(SimulatorError):
    """The client's request cannot be carried out; no part of it was."""

    def __init__(self, code: StatusCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def success() -> params.LLRPStatus:
    """The request was carried out."""
    return params.LLRPStatus(status_code=StatusCode.M_Success)


def failure(refused: RequestRefused) -> params.LLRPStatus:
    """The request was refused, and this is why."""
    return params.LLRPStatus(status_code=refused.code, error_description=str(refused))
