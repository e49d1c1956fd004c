"""A run of suites of policy tests: what `drawbridge test` reports."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from webhook.bootstrap.mutation import Mutated, Tested, mutated, tested_in
from webhook.bootstrap.rehearsal import CaseResult, Rehearsal
from webhook.bootstrap.suites import PlacedSuite, load_suites
from webhook.kube.manifests import Problem


@dataclass(frozen=True, slots=True)
class Tests:
    """All that a run has come to; `covered` and `mutants` only where they were asked for."""

    suites: tuple[PlacedSuite, ...]
    results: tuple[CaseResult, ...]
    problems: tuple[Problem, ...]
    covered: tuple[Tested, ...] = ()
    mutants: tuple[Mutated, ...] = ()
    refused: str = ""

    def of(self, suite: PlacedSuite) -> tuple[CaseResult, ...]:
        return tuple(result for result in self.results if result.suite is suite)

    @property
    def all_problems(self) -> tuple[Problem, ...]:
        return (*self.problems, *(problem for suite in self.suites for problem in suite.problems))

    @property
    def survivors(self) -> tuple[Mutated, ...]:
        return tuple(one for one in self.mutants if not one.killed)

    @property
    def passed(self) -> bool:
        fine = not self.all_problems and all(result.passed for result in self.results)
        return fine and not self.survivors and not self.refused


def run(paths: Sequence[Path], *, coverage: bool = False, mutate: bool = False, traced: bool = False) -> Tests:
    """Run all suites of the paths. Mutants are tried only where all cases are as expected."""
    suites, problems = load_suites(paths)
    with Rehearsal() as rehearsal:
        results = tuple(
            rehearsal.run(suite, prepared, traced=traced or coverage or mutate)
            for suite in suites
            for prepared in suite.cases
        )
        tests = Tests(suites, results, problems)
        tested = tested_in(results) if coverage or mutate else ()
        if coverage:
            tests = replace(tests, covered=tested)
        if mutate and tests.passed:
            tests = replace(tests, mutants=tuple(mutated(tested, rehearsal)))
        elif mutate:
            tests = replace(tests, refused="no mutants were tried: first all cases must be as expected")
    return tests
