"""`python -m tests.fuzz`: inputs by the million, one target or all; exit status 1: a finding."""

import argparse
import logging
import sys

from tests.fuzz.run import Run, fuzz
from tests.fuzz.targets import TARGETS


def main() -> int:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--target", choices=sorted(TARGETS), action="append")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    runs = [_one(name, arguments.inputs, arguments.seed) for name in arguments.target or TARGETS]
    for run in runs:
        for finding in run.findings:
            print(finding[:2_000])  # noqa: T201 # A tool of ours, for a terminal.
    return 0 if all(run.is_clean for run in runs) else 1


def _one(name: str, inputs: int, seed: int) -> Run:
    run = Run(target=name)
    for run in fuzz(TARGETS[name], inputs, seed):
        if sys.stderr.isatty():
            sys.stderr.write(
                f"\r{name}: {run.inputs:,} of {inputs:,}, {len(run.findings)} findings"
            )
    sys.stderr.write(
        f"\r{name:8} {run.inputs:>9,} inputs, {run.inputs / run.took_s:>7,.0f}/s,"
        f" slowest {run.slowest_ms:5.1f} ms, memory +{run.growth_mib:.1f} MiB,"
        f" {len(run.findings)} findings\n"
    )
    return run


if __name__ == "__main__":
    sys.exit(main())
