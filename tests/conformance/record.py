"""Records anew what Kubernetes' own compiler says of the recorded expressions, in every release: the fixtures.

    .venv/bin/python -m tests.conformance.record

The expressions and devices are those of the files; a line of `{"expr": "..."}` or `{"expr": "...", "device": "..."}`
added by hand is answered like the others. A row holds what the release `BASE` says, and under `versions` what others
say differently. Running it again changes nothing, except that where Go's maps have no order the recorded range of costs
may grow.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from tests.conformance.differential import devices
from tests.support.reference import MINORS, Answer, Outcome, Question, Reference

BASE = "1.36"
COMPILED = Path(__file__).with_name("compile.jsonl")
EVALUATED = Path(__file__).with_name("evaluation.jsonl")
_TIMES = 100  # the least likely of two orders comes one time in eight

Json = dict[str, Any]


def verdict_row(answers: dict[str, Answer]) -> Json:
    """Return the row of an expression: the verdicts of all releases on it."""
    base = answers[BASE]
    row: Json = {"expr": base.expression, "verdict": base.kind}
    if base.kind != "too-long":
        row |= verdict(base)
        others = {minor: verdict(one) for minor, one in answers.items() if verdict(one) != verdict(base)}
        if others:
            row["versions"] = {minor: {"ok": "error" not in said, **said} for minor, said in others.items()}
    return row


def verdict(answer: Answer) -> Json:
    """Return what the compiler says: the type and the largest cost, or the error."""
    if answer.ok:
        return {"type": answer.type, "max_cost": str(answer.max_cost)}
    return {"error": answer.error}


def evaluation_row(row: Json, answers: dict[str, Answer]) -> Json:
    """Return the row of an expression and a device: what all releases make of them."""
    new = {"expr": row["expr"], "device": row["device"]}
    if any(len(answer.seen) > 1 for answer in answers.values()):
        return {**new, **_varying(row, [outcome for answer in answers.values() for outcome in answer.seen])}
    said = {minor: _evaluation(answer) for minor, answer in answers.items()}
    # A release that refuses the expression has its verdict in the other file.
    others = {minor: one for minor, one in said.items() if one != said[BASE] and "refused" not in one}
    return {**new, **said[BASE], **({"versions": others} if others else {})}


def _evaluation(answer: Answer) -> Json:
    if not answer.ok:
        return {"refused": True}
    [outcome] = answer.seen
    if outcome.eval_error is not None:
        return {"error": outcome.eval_error, "cost": outcome.cost}
    return {"result": outcome.result, "cost": outcome.cost}


def _varying(row: Json, seen: Sequence[Outcome]) -> Json:
    """All results that were seen, in any release; and the range of costs, of which chance may miss the ends."""
    costs = [*(one.cost for one in seen if one.cost is not None), *row.get("costs", ())]
    results = sorted({str(one.result if one.eval_error is None else one.eval_error) for one in seen})
    return {"result": seen[0].result, "results": results, "costs": [min(costs), max(costs)]}


def rows_of(path: Path) -> list[Json]:
    """Return the rows of a recording."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def _write(path: Path, rows: Iterable[Json], separators: tuple[str, str]) -> None:
    lines = (json.dumps(row, ensure_ascii=False, separators=separators) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")


def record_verdicts() -> None:
    """Write compile.jsonl."""
    expressions = [row["expr"] for row in rows_of(COMPILED)]
    answers = {minor: Reference(minor).ask(map(Question, expressions)) for minor in MINORS}
    rows = [{minor: answers[minor][at] for minor in MINORS} for at in range(len(expressions))]
    _write(COMPILED, map(verdict_row, rows), (",", ":"))


def record_evaluations() -> None:
    """Write evaluation.jsonl."""
    everyone = {device["name"]: device for device in devices()}
    wanted = rows_of(EVALUATED)
    questions = [Question(row["expr"], everyone[row["device"]], times=_TIMES) for row in wanted]
    answers = {minor: Reference(minor).ask(questions) for minor in MINORS}
    rows = [evaluation_row(row, {minor: answers[minor][at] for minor in MINORS}) for at, row in enumerate(wanted)]
    _write(EVALUATED, rows, (", ", ": "))


def main() -> int:
    """Write both files."""
    record_verdicts()
    record_evaluations()
    return 0


if __name__ == "__main__":
    sys.exit(main())
