"""Random selectors in every release, judged by Kubernetes' own compiler and by ours: no difference may be found.

    .venv/bin/python -m tests.conformance.campaign --count 20000 --seed 1 --version 1.37

Differences are made smaller and printed, and how often everything came. Exit code 1: there was a difference, or
something came too rarely.
"""

import argparse
import multiprocessing
import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass

from tests.conformance.coverage import Coverage
from tests.conformance.differential import Difference, compare, smaller
from tests.support.reference import MINORS, Reference
from webhook.cel.environment import device_environment

COUNT = 20_000
LEAST = 50  # times that everything comes in so many
SEEDS = (1, 2, 3)
_MOST_PRINTED = 10


@dataclass(frozen=True, slots=True)
class Part:
    """One release and one seed."""

    version: str
    seed: int
    count: int

    def __str__(self) -> str:
        return f"{self.version}, seed {self.seed}"

    @property
    def least(self) -> int:
        """How often everything must come in so many expressions."""
        return LEAST * self.count // COUNT


@dataclass(frozen=True, slots=True)
class Outcome:
    """The differences, the first of them made smaller; what came too rarely; how often everything came."""

    part: Part
    differences: int
    smallest: tuple[Difference, ...]
    rare: tuple[tuple[str, int], ...]
    summary: str
    seconds: float

    @property
    def passed(self) -> bool:
        """Nothing differs and nothing was missing."""
        return not self.differences and not self.rare

    @property
    def headline(self) -> str:
        """The seed and the count of differences in one line."""
        return f"{self.part}: {self.part.count} expressions in {self.seconds:.0f} s, {self.differences} differences"

    def __str__(self) -> str:
        lines = [
            self.headline,
            self.summary,
            *(f"  came only {count} times: {name}" for name, count in self.rare),
            *map(str, self.smallest),
        ]
        return "\n".join(lines)


def run(part: Part) -> Outcome:
    """Compare one part; says on standard error how far it is."""
    started = time.monotonic()
    coverage = Coverage(device_environment(part.version))
    found: list[Difference] = []
    for one in compare(part.version, part.seed, part.count, coverage):
        if isinstance(one, Difference):
            found.append(one)
        elif one % 5_000 == 0:
            print(f"{part}: {one} of {part.count}, {len(found)} differences", file=sys.stderr, flush=True)
    smallest = tuple(smaller(one, part.version) for one in found[:_MOST_PRINTED])
    rare = tuple(coverage.rare(part.least))
    return Outcome(part, len(found), smallest, rare, coverage.summary(), time.monotonic() - started)


def campaign(parts: Iterable[Part], processes: int) -> bool:
    """Compare all parts and print the outcomes; returns whether all passed."""
    passed = True
    # Spawned: a forked process would inherit what the parent has compiled.
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for outcome in pool.imap_unordered(run, list(parts)):
            print(outcome, flush=True)
            passed = passed and outcome.passed
    return passed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--version", choices=MINORS, action="append")
    parser.add_argument("--processes", type=int, default=2)
    given = parser.parse_args()
    missing = [version for version in given.version or MINORS if not Reference.is_built(version)]
    if missing:
        print(f"not built for {', '.join(missing)}: run `make conformance-reference`", file=sys.stderr)
        return 2
    versions, seeds = given.version or MINORS, given.seed or SEEDS
    parts = [Part(version, seed, given.count) for seed in seeds for version in versions]
    return 0 if campaign(parts, given.processes) else 1


if __name__ == "__main__":
    sys.exit(main())
