"""`make fuzz`: each target for its inputs, or for its share of the time; says how many were tried.

Then Hypothesis chooses reviews, in this process and over HTTPS. Inputs that broke a law are kept in build/fuzz/TARGET,
and the exit code is 1.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random, SystemRandom

from tests.fuzz.targets import TARGETS, Target

FOLDER = Path(__file__).parents[2] / "build" / "fuzz"
_OPTIONS = ("-print_final_stats=1", "-timeout=300", "-rss_limit_mb=4096")
_EXECUTED = re.compile(r"^stat::number_of_executed_units:\s+(\d+)", re.MULTILINE)
_BEGUN = re.compile(r"^#(\d+)\s", re.MULTILINE)
_COVERAGE = re.compile(r"\bcov: (\d+)")
_SHOWN_LINES = 40
BY_HYPOTHESIS = {
    "chosen": ("tests/property/test_hostile_input.py", "changed_reviews", 100_000),
    "https": ("tests/server/test_hostile_reviews.py", "reviews", 10_000),
}
"""Where reviews are chosen by Hypothesis: the tests, and how many a campaign gives them."""
INPUTS_A_SECOND = 5
"""So few of these, for each of its seconds, in a campaign that is bounded by time."""
ENDPOINTS = 6
_MOST_SEEDS = 500
"""The others come in by the changes, which know them all."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of one target; `answers` is how many answers its inputs were given, `broken` what broke a law."""

    name: str
    seconds: int
    executed: int
    answers: int
    coverage: int
    broken: Sequence[Path]
    exit_code: int

    @property
    def failed(self) -> bool:
        return bool(self.broken) or self.exit_code != 0

    def line(self) -> str:
        verdict = f"FAILED (exit code {self.exit_code})" if self.failed else "ok"
        counts = f"{self.executed:>9,} inputs, {self.answers:>9,} answers, {self.coverage:>6,} branches"
        return f"{self.name:<10}{self.seconds:>5} s {counts}: {verdict}"


def run(name: str, target: Target, bound: str, seed: int) -> Done:
    """Fuzz one target within a bound, an option of libFuzzer."""
    folder = FOLDER / name
    corpus, begin = folder / "corpus", folder / "begin"
    for made in (corpus, begin):
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir(parents=True)
    seeds = target.seeds()
    for number, data in enumerate(Random(seed).sample(seeds, min(len(seeds), _MOST_SEEDS))):
        (begin / f"{number:05}").write_bytes(data)
    words = folder / "words.dict"
    words.write_text("".join(f'"{_escaped(piece)}"\n' for piece in target.pieces if piece))
    known = set(_broken(folder))
    command = [sys.executable, "-m", "tests.fuzz.target", name, *_OPTIONS, bound]
    command += [f"-seed={seed}", f"-max_len={target.longest}", f"-dict={words}", f"-artifact_prefix={folder}/"]
    log = folder / "log.txt"
    began = time.monotonic()
    with log.open("wb") as output:
        ended = subprocess.run([*command, str(corpus), str(begin)], stdout=output, stderr=output, check=False)
    said = log.read_text(errors="replace")
    executed = max((int(number) for number in (*_EXECUTED.findall(said), *_BEGUN.findall(said))), default=0)
    found = Done(
        name,
        round(time.monotonic() - began),
        executed,
        executed * target.answers,
        max(map(int, _COVERAGE.findall(said)), default=0),
        [file for file in _broken(folder) if file not in known],
        ended.returncode,
    )
    if found.failed:
        print(*said.splitlines()[-_SHOWN_LINES:], sep="\n")
        for file in found.broken:
            print(f"again: {sys.executable} -m tests.fuzz.target {name} {file}")
    return found


def run_hypothesis(name: str, inputs: int, seed: int) -> Done:
    """Try so many reviews that Hypothesis chooses."""
    file, test, _ = BY_HYPOTHESIS[name]
    command = [sys.executable, "-m", "pytest", "-q", "--timeout=0", f"--hypothesis-seed={seed}", file, "-k", test]
    began = time.monotonic()
    ended = subprocess.run(command, env={**os.environ, "LONG_TESTS": str(inputs)}, check=False)
    seconds = round(time.monotonic() - began)
    tried = 0 if ended.returncode else inputs
    return Done(name, seconds, tried, tried * ENDPOINTS, 0, (), ended.returncode)


def _broken(folder: Path) -> list[Path]:
    return sorted(file for kind in ("crash", "timeout", "oom", "leak") for file in folder.glob(f"{kind}-*"))


def _escaped(piece: str) -> str:
    """Return a word as libFuzzer's dictionaries have it."""
    return "".join(
        chr(byte) if 0x20 <= byte < 0x7F and byte not in b'"\\' else f"\\x{byte:02x}" for byte in piece.encode()
    )


def main() -> int:
    """Run the targets and return 1 if a law was broken."""
    options = argparse.ArgumentParser(description="Fuzz for a while.")
    options.add_argument("--seconds", type=int, help="for all targets together, in place of a number of inputs")
    options.add_argument("--seed", type=int, default=SystemRandom().randrange(1, 2**31))
    options.add_argument("--target", choices=sorted(TARGETS), action="append", help="only these")
    given = options.parse_args()
    chosen = {name: target for name, target in TARGETS.items() if name in (given.target or TARGETS)}
    shares = sum(target.share for target in chosen.values())
    print(f"seed {given.seed}", flush=True)
    results = []
    for name, target in chosen.items():
        bound = f"-runs={target.inputs}"
        if given.seconds:
            bound = f"-max_total_time={max(1, given.seconds * target.share // shares)}"
        results.append(run(name, target, bound, given.seed))
        print(results[-1].line(), flush=True)
    for name, (_, _, inputs) in () if given.target else BY_HYPOTHESIS.items():
        most = inputs if given.seconds is None else INPUTS_A_SECOND * given.seconds
        results.append(run_hypothesis(name, min(inputs, most), given.seed))
        print(results[-1].line(), flush=True)
    print(f"{sum(done.executed for done in results):,} inputs with seed {given.seed}")
    return 1 if any(done.failed for done in results) else 0


if __name__ == "__main__":
    sys.exit(main())
