"""The commands `stocktruth-sim simulate` and `stocktruth-sim canaries`."""

import os
import secrets
import sys
from typing import Annotated, NoReturn

import typer

from simulators.harness.options import numbers, words

STATUS_USAGE = 2
SEEDS_BELOW = 2**31


def simulate(
    seeds: Annotated[int, typer.Option(min=1, max=10_000_000, help="How many seeds to run.")] = 100,
    first: Annotated[
        int | None, typer.Option(min=0, help="The first seed; a fresh one if absent.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Run this seed alone, twice, and tell all of it.")
    ] = None,
    strikes: Annotated[
        str | None, typer.Option(help="With --seed: only these strikes, as 1,4,7 or none.")
    ] = None,
    weather: Annotated[
        str | None, typer.Option(help="With --seed: only this weather, as drop,reset or none.")
    ] = None,
    outage_h: Annotated[
        float, typer.Option("--outage-hours", min=0, help="With --seed: cut S001 off for so long.")
    ] = 0.0,
    processes: Annotated[
        int, typer.Option(min=1, max=256, help="Seeds that run at the same time.")
    ] = os.cpu_count() or 1,
    shrinks: Annotated[
        bool, typer.Option("--shrink/--no-shrink", help="Look for the shortest failing schedule.")
    ] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Tell everything, as JSON.")] = False,
) -> None:
    """Run the real system in virtual time under seeded faults, and check every promise.

    Exits with 1 when anything was violated; then the seed, the commit and the command that repeats
    it are told, and the shortest schedule that still fails is looked for.
    """
    from simulators.harness import command  # noqa: PLC0415 # Other commands start faster.

    if seed is None and (strikes is not None or weather is not None or outage_h):
        _refuse("--strikes, --weather and --outage-hours belong to --seed")
    command.pin_hashes()
    if seed is None:
        begin = secrets.randbelow(SEEDS_BELOW) if first is None else first
        seeded = range(begin, begin + seeds)
        sys.exit(command.run_campaign(seeded, processes, as_json=as_json, shrinks=shrinks))
    try:
        plan = command.thinned(command.plan_of(seed, outage_h), numbers(strikes), words(weather))
    except ValueError as error:
        _refuse(str(error))
    sys.exit(command.run_one(plan, as_json=as_json))


def canaries(
    names: Annotated[list[str] | None, typer.Argument(help="Which; all if absent.")] = None,
    seeds: Annotated[
        int, typer.Option(min=1, max=10_000, help="Seeds for each; ten times as many for the rare.")
    ] = 30,
    first: Annotated[int, typer.Option(min=0, help="The first seed.")] = 1,
    processes: Annotated[
        int, typer.Option(min=1, max=256, help="Seeds that run at the same time.")
    ] = os.cpu_count() or 1,
    as_json: Annotated[bool, typer.Option("--json", help="Tell everything, as JSON.")] = False,
) -> None:
    """Plant bugs, one at a time, and see which checker of the simulation notices.

    Exits with 1 when one is not noticed in any seed, or a seed fails without one.
    """
    from simulators.harness import canary_command, command  # noqa: PLC0415 # As above.

    command.pin_hashes()
    try:
        chosen = canary_command.chosen(names or [])
    except ValueError as error:
        _refuse(str(error))
    seeded = range(first, first + seeds)
    sys.exit(canary_command.run_canaries(chosen, seeded, processes, as_json=as_json))


def _refuse(text: str) -> NoReturn:
    typer.echo(text, err=True)
    sys.exit(STATUS_USAGE)
