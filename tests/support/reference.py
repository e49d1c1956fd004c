"""Kubernetes' own compiler for device selectors, to be asked: `make conformance-reference` builds it for each minor."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.golang import BuildFailedError, GoBuild, ToolchainMissingError, cache_folder

MODULE = Path(__file__).parents[1] / "conformance" / "reference"
MODFILES = {"1.34": "k134.mod", "1.35": "k135.mod", "1.36": "k136.mod", "1.37": "go.mod"}
MINORS = tuple(MODFILES)
DIED = "panic: the compiler died"
_MOST_MEMORY = 4 * 2**30


@dataclass(frozen=True, slots=True)
class Question:
    """What to ask of an expression; `device` is a ResourceSlice's device (v1) with "driver" added.

    It is evaluated so many `times`: where the order of a Go map matters, the outcomes differ.
    """

    expression: str
    device: Mapping[str, object] | None = None
    times: int = 1
    stored: bool = False
    gates: Mapping[str, bool] = field(default_factory=dict)

    def line(self) -> str:
        """The question as the program reads it."""
        asked = {"expr": self.expression, "device": self.device, "times": self.times}
        return json.dumps({**asked, "stored": self.stored, "gates": dict(self.gates)}) + "\n"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an evaluation gave: either `result` or `eval_error` is set."""

    result: bool | None = None
    eval_error: str | None = None
    cost: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """`ok` is the compiler's verdict; `kind` (ok, invalid, too-costly, too-long) what the API server makes of it.

    With a device, either `result` or `eval_error` is set, and `cost` is what the evaluation cost. `seen` has the
    different outcomes of an expression that was evaluated several times.
    """

    expression: str
    ok: bool
    kind: str
    error: str = ""
    type: str = ""
    max_cost: int = 0
    result: bool | None = None
    eval_error: str | None = None
    cost: int | None = None
    seen: tuple[Outcome, ...] = ()


@dataclass(frozen=True, slots=True)
class Timing:
    """Median nanoseconds of one compilation and of one evaluation (0 without a device)."""

    expression: str
    compile_ns: int
    eval_ns: int


def reference_build(minor: str) -> GoBuild:
    """The program of one Kubernetes minor, such as "1.37"."""
    tag = f"k{minor.replace('.', '')}"
    output = cache_folder() / "reference" / tag
    return GoBuild(MODULE, {"reference": "."}, output, MODFILES[minor], flags=("-tags", tag))


class Reference:
    """The compiler of one Kubernetes minor. Whoever makes one has seen to it that it is built (`is_built`)."""

    def __init__(self, minor: str = "1.37") -> None:
        self._program = reference_build(minor).program("reference")

    @staticmethod
    def is_built(minor: str = "1.37") -> bool:
        """Whether the program is there and up to date."""
        return reference_build(minor).is_done()

    def ask(self, questions: Iterable[Question]) -> list[Answer]:
        """One answer to each question, in their order."""
        left = list(questions)
        answers: list[Answer] = []
        while left:
            got = [_answer(line) for line in self._run(left)]
            if len(got) < len(left):
                # What no recover() stops, such as an exhausted stack, ends the program; go on behind the culprit.
                got.append(Answer(left[len(got)].expression, ok=False, kind="invalid", error=DIED))
            answers += got
            left = left[len(got) :]
        return answers

    def time(self, questions: Sequence[Question]) -> list[Timing]:
        """The warm medians for each question; about 700 compilations and evaluations each."""
        return [_timing(line) for line in self._run(questions, "-time")]

    def time_in_passes(self, questions: Sequence[Question], passes: int) -> list[Timing]:
        """The medians of compiling each question in so many passes over all of them."""
        return [_timing(line) for line in self._run(questions, "-passes", str(passes))]

    def _run(self, questions: Sequence[Question], *options: str) -> list[bytes]:
        text = "".join(question.line() for question in questions)
        command = [str(self._program), *options]
        # Some values, a list of a billion items, exhaust any machine: the program ends before that.
        done = subprocess.run(
            command, input=text.encode(), capture_output=True, check=False, preexec_fn=_with_bounded_memory
        )
        return done.stdout.splitlines()  # of bytes: a str is split at U+0085 as well


def _with_bounded_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))


def _answer(line: bytes) -> Answer:
    raw: dict[str, Any] = json.loads(line)
    seen = tuple(Outcome(**outcome) for outcome in raw.pop("seen", ()))
    return Answer(expression=raw.pop("expr"), seen=seen, **raw)


def _timing(line: bytes) -> Timing:
    raw = json.loads(line)
    return Timing(raw["expr"], raw["compile_ns"], raw["eval_ns"])


def main() -> int:
    """Build the programs of the minors named as arguments, or of all."""
    for minor in sys.argv[1:] or MINORS:
        try:
            reference_build(minor).run()
        except (ToolchainMissingError, BuildFailedError) as error:
            print(f"the reference compiler of Kubernetes {minor} was not built: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
