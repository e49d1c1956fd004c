"""Asks Kubernetes' own compiler and ours the same random questions, and prints where the answers differ.

    .venv/bin/python -m tests.conformance.differential --count 20000 --seed 1 --version 1.37

Each difference is made smaller before it is printed. What the reference answers differently when it is asked again
(Go's maps have no order) counts as equal to any of its answers.
"""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from tests.conformance.generator import Generator
from tests.support.reference import DIED, MINORS, Answer, Question, Reference
from webhook.cel.compile import Compiled, DiagnosticKind, Verdict, compile_selector, device_environment
from webhook.cel.device import device_from_json
from webhook.cel.environment import Environment
from webhook.cel.evaluator import evaluate
from webhook.cel.syntax import Call, walk

DEVICES = Path(__file__).with_name("devices.json")
_BATCH = 2_000
_ASKED_AGAIN = 6
_VALIDATORS = (
    ("duration", "invalid duration argument"),
    ("timestamp", "invalid timestamp argument"),
    ("regex", "invalid matches argument"),
    ("format", "format"),
    ("homogeneous", "expected type"),
)

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Said:
    """What one side says of an expression, as far as it must be equal."""

    kind: str
    max_cost: int | None
    error: str
    result: bool | None
    eval_error: str | None
    cost: int | None


@dataclass(frozen=True, slots=True)
class Difference:
    expression: str
    ours: Said
    theirs: Said


def of_reference(answer: Answer) -> Said:
    bounded = answer.kind in ("ok", "too-costly")
    return Said(
        answer.kind,
        answer.max_cost if bounded else None,
        "" if bounded else answer.error,
        answer.result,
        answer.eval_error,
        answer.cost,
    )


def of_ours(compiled: Compiled, device: Json, version: str) -> Said:
    kind = compiled.verdict.value
    bounded = compiled.verdict in (Verdict.OK, Verdict.TOO_COSTLY)
    result, eval_error, cost = None, None, None
    if compiled.ast is not None and bounded:
        outcome = evaluate(compiled.ast, device_from_json(device), version=version)
        result, eval_error, cost = outcome.result, outcome.error, outcome.cost
    return Said(
        kind, compiled.max_cost if bounded else None, "" if bounded else compiled.error, result, eval_error, cost
    )


def devices() -> Sequence[Json]:
    """Return devices of several kinds in the shape of a slice's, with their driver."""
    found = []
    for name, device in json.loads(DEVICES.read_text()).items():
        capacity = {
            key: value if isinstance(value, dict) else {"value": value} for key, value in device["capacity"].items()
        }
        found.append({"name": name, **device, "capacity": capacity})
    return found


class Coverage:
    """How often each overload, macro, validator and phase of refusal has come."""

    def __init__(self, environment: Environment) -> None:
        self.wanted = {
            overload.id
            for name, function in environment.functions.items()
            if not name.startswith(("@", "__"))
            for overload in (*function.functions, *function.methods)
        }
        self.wanted |= {f"macro {name}" for name, _ in _macro_names(environment)}
        self.wanted |= {f"validator {name}" for name, _ in _VALIDATORS}
        self.wanted |= {f"phase {kind.value}" for kind in DiagnosticKind}
        self.seen: Counter[str] = Counter()

    def count(self, compiled: Compiled) -> None:
        if compiled.ast is not None:
            for node in walk(compiled.ast.root):
                if isinstance(node, Call):
                    self.seen.update(set(node.overloads))
            self.seen.update({f"macro {call.function}" for call in compiled.ast.macros.values()})
        self.seen.update({f"phase {diagnostic.kind.value}" for diagnostic in compiled.diagnostics})
        self.seen.update({f"validator {name}" for name, words in _VALIDATORS if words in compiled.error})

    def least(self, most: int) -> list[tuple[str, int]]:
        """Return what has come fewer times than that, the rarest first."""
        rare = [(name, self.seen[name]) for name in sorted(self.wanted) if self.seen[name] < most]
        return sorted(rare, key=lambda pair: pair[1])


def _macro_names(environment: Environment) -> Iterator[tuple[str, int]]:
    for name, count, *_ in environment.macros:
        yield name, count


def compare(version: str, seed: int, count: int, coverage: Coverage) -> Iterator[Difference]:
    """Yield every difference in so many random expressions."""
    environment = device_environment(version)
    random = Random(seed)
    generator = Generator(environment, random)
    reference, everyone = Reference(version), devices()
    for start in range(0, count, _BATCH):
        batch = [(generator.expression(), random.choice(everyone)) for _ in range(min(_BATCH, count - start))]
        answers = reference.ask(Question(expression, device) for expression, device in batch)
        for (expression, device), answer in zip(batch, answers, strict=True):
            compiled = compile_selector(expression, environment)
            coverage.count(compiled)
            ours, theirs = of_ours(compiled, device, version), of_reference(answer)
            if not agree(ours, theirs) and not _agrees_once(ours, reference, expression, device):
                yield Difference(expression, ours, theirs)


def agree(ours: Said, theirs: Said) -> bool:
    """Return whether the answers are equal; a panic of the reference is a refusal of ours, in any words."""
    if theirs.error == DIED:
        return True  # it had no memory left for the value: there is nothing to compare
    if theirs.error.startswith("panic"):
        return ours.kind == "invalid"
    if theirs.kind == "too-long":
        return ours.kind == "too-long"
    return ours == theirs


def _agrees_once(ours: Said, reference: Reference, expression: str, device: Json) -> bool:
    again = reference.ask(Question(expression, device) for _ in range(_ASKED_AGAIN))
    return any(agree(ours, of_reference(answer)) for answer in again)


def smaller(difference: Difference, version: str, device: Json) -> Difference:
    """Return a difference of the same kind in less text: words are left out as long as the answers still differ."""
    environment, reference = device_environment(version), Reference(version)
    words = re.findall(r"\w+|\s+|[^\w\s]", difference.expression)
    size = max(1, len(words) // 2)
    while size:
        at = 0
        while at < len(words):
            tried = words[:at] + words[at + size :]
            text = "".join(tried)
            [answer] = reference.ask([Question(text, device)])
            ours, theirs = of_ours(compile_selector(text, environment), device, version), of_reference(answer)
            if agree(ours, theirs) or ours.kind != difference.ours.kind or theirs.kind != difference.theirs.kind:
                at += size
            else:
                words, difference = tried, Difference(text, ours, theirs)
        size //= 2
    return difference


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, action="append")
    parser.add_argument("--version", choices=MINORS, action="append")
    parser.add_argument("--least", type=int, default=50, help="how often everything must come")
    given = parser.parse_args()
    failed = False
    for version in given.version or MINORS:
        for seed in given.seed or (1, 2, 3):
            coverage = Coverage(device_environment(version))
            found = list(compare(version, seed, given.count, coverage))
            rare = coverage.least(given.least)
            print(f"{version} seed {seed}: {given.count} expressions, {len(found)} differences, {len(rare)} rare")
            print(f"  rare: {rare[:8]}")
            for difference in found[:10]:
                small = smaller(difference, version, devices()[0])
                print(f"  {small.expression}\n    ours   {small.ours}\n    theirs {small.theirs}")
            failed |= bool(found or rare)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
