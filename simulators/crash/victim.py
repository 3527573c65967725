"""The product as a victim: `python -m simulators.crash.victim edge|cloud ARGUMENTS…`.

The very program that a gateway or a server runs, with traps set from outside (`wrapping`). Its
standard input and output belong to whoever kills it; what it prints goes to its log.
"""

import importlib
import os
import sys

from simulators.crash.points import points_of
from simulators.crash.trap import Trap, listen
from simulators.crash.wrapping import set_traps


def main() -> None:
    """Set the traps, and become the program."""
    program, journal, *arguments = sys.argv[1:]
    testimony = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    trap = Trap(testimony)
    listen(trap)
    product = importlib.import_module(f"{program}.__main__")
    set_traps((each for each in points_of(journal) if each.program == program), trap)
    sys.argv = [f"stocktruth-{program}", *arguments]
    product.main()


if __name__ == "__main__":
    main()
