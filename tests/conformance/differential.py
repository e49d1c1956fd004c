"""Kubernetes' own compiler and ours are asked the same random questions; where do the answers differ?

What the reference answers differently when it is asked again (Go's maps have no order) counts as equal to any of its
answers.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

from tests.conformance.coverage import Coverage
from tests.conformance.generator import Generator
from tests.support.reference import DIED, Answer, Question, Reference
from webhook.cel.compile import Compiled, Verdict, compile_selector, device_environment
from webhook.cel.device import device_from_json
from webhook.cel.environment import Environment
from webhook.cel.evaluator import evaluate

DEVICES = Path(__file__).with_name("devices.json")
_BATCH = 1_000
# A map of two entries comes in the other order one time in eight: maps of the compiler, maps of the evaluation.
_COMPILED_AGAIN, _EVALUATED_AGAIN = 200, 5
_TRIED_AT_ONCE = 40
_WITH_LISTS: "Json" = {
    "name": "lists",
    "driver": "gpu.nvidia.com",
    "attributes": {
        "type": {"strings": ["gpu", "mig"]},
        "index": {"ints": [3, 1, 2]},
        "brand": {"bools": [True, False]},
        "driverVersion": {"versions": ["550.1.0", "1.2.3"]},
        "productName": {"string": "A100"},
    },
    "capacity": {"memory": {"value": "1Gi"}},
}

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
    """An expression, evaluated on a device, of which the two do not say the same."""

    question: Question
    ours: Said
    theirs: Said

    def __str__(self) -> str:
        told = [
            f"    {name}: ours {getattr(self.ours, name)!r}, theirs {getattr(self.theirs, name)!r}"
            for name in Said.__slots__
            if getattr(self.ours, name) != getattr(self.theirs, name)
        ]
        asked = self.question
        device = (asked.device or {}).get("name")
        setting = f"{', stored' * asked.stored}{''.join(f', {gate} {on}' for gate, on in asked.gates.items())}"
        return "\n".join((f"  {asked.expression!r} on {device}{setting}", *told))


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


def environment_of(question: Question, version: str) -> Environment:
    """Return what a question may use in that release."""
    return device_environment(
        version,
        stored=question.stored,
        consumable_capacity=question.gates.get("DRAConsumableCapacity"),
        list_attributes=question.gates.get("DRAListTypeAttributes"),
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


def settings(version: str) -> Sequence[tuple[Question, Sequence[Json], int]]:
    """Return ways to ask, each with devices and how often it is taken: mostly as the release is by default."""
    everyone = devices()
    capacity = {"DRAConsumableCapacity": version in ("1.34", "1.35")}  # the other way
    found = [
        (Question(""), everyone, 17),
        (Question("", stored=True), everyone, 1),
        (Question("", gates=capacity), everyone, 1),
    ]
    if version not in ("1.34", "1.35"):
        found.append((Question("", gates={"DRAListTypeAttributes": True}), [*everyone, *[_WITH_LISTS] * 5], 1))
    return found


def compare(version: str, seed: int, count: int, coverage: Coverage) -> Iterator[Difference | int]:
    """Yield every difference in so many random expressions, and after each batch how many have been compared."""
    random, reference = Random(seed), Reference(version)
    ways = [(*way, Generator(environment_of(way[0], version), random, coverage)) for way in settings(version)]
    for start in range(0, count, _BATCH):
        batch: list[tuple[Question, Said]] = []
        for _ in range(min(_BATCH, count - start)):
            [(setting, everyone, _, generator)] = random.choices(ways, [weight for _, _, weight, _ in ways])
            question = replace(setting, expression=generator.expression(), device=random.choice(everyone))
            batch.append((question, _answered(question, version, coverage)))
        answers = reference.ask(question for question, _ in batch)
        for (question, ours), answer in zip(batch, answers, strict=True):
            theirs = of_reference(answer)
            if not agree(ours, theirs) and not _agrees_once(ours, reference, question):
                yield Difference(question, ours, theirs)
        yield start + len(batch)


def _answered(question: Question, version: str, coverage: Coverage | None = None) -> Said:
    compiled = compile_selector(question.expression, environment_of(question, version))
    said = of_ours(compiled, dict(question.device or {}), version)
    if coverage is not None:
        coverage.count(compiled, said.result, said.eval_error)
    return said


def agree(ours: Said, theirs: Said) -> bool:
    """Return whether the answers are equal; a panic of the reference is a refusal of ours, in any words."""
    if theirs.error == DIED:
        return True  # it had no memory left for the value: there is nothing to compare
    if theirs.error.startswith("panic"):
        return ours.kind == "invalid"
    if theirs.kind == "too-long":
        return ours.kind == "too-long"
    return ours == theirs


def _agrees_once(ours: Said, reference: Reference, question: Question, compiled_again: int = _COMPILED_AGAIN) -> bool:
    answers = reference.ask([replace(question, times=_EVALUATED_AGAIN)] * compiled_again)
    return any(
        agree(ours, of_reference(one))
        for answer in answers
        for one in (
            answer,
            *(replace(answer, result=o.result, eval_error=o.eval_error, cost=o.cost) for o in answer.seen),
        )
    )


def smaller(difference: Difference, version: str) -> Difference:
    """Return a difference of the same kind in less text: words are left out as long as the answers still differ."""
    words = re.findall(r"\w+|\s+|[^\w\s]", difference.question.expression)
    size = max(1, len(words) // 2)
    while size:
        starts = list(range(0, len(words), size))
        shorter = None
        while starts and shorter is None:
            now, starts = starts[:_TRIED_AT_ONCE], starts[_TRIED_AT_ONCE:]
            shorter = _first_differing([words[:at] + words[at + size :] for at in now], difference, version)
        if shorter is None:
            size //= 2
        else:
            words, difference = shorter
    return difference


def _first_differing(
    tried: list[list[str]], difference: Difference, version: str
) -> tuple[list[str], Difference] | None:
    reference = Reference(version)
    questions = [replace(difference.question, expression="".join(words)) for words in tried]
    for words, question, answer in zip(tried, questions, reference.ask(questions), strict=True):
        ours, theirs = _answered(question, version), of_reference(answer)
        if agree(ours, theirs) or ours.kind != difference.ours.kind or theirs.kind != difference.theirs.kind:
            continue
        if not _agrees_once(ours, reference, question, compiled_again=20):
            return words, Difference(question, ours, theirs)
    return None
