"""Mutation tests of policies: every small change of an expression must fail a case, or the cases prove too little."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from webhook.bootstrap.rehearsal import CaseResult, Rehearsal, misses
from webhook.bootstrap.suites import PlacedPolicy
from webhook.core.policies import Expression
from webhook.core.versions import NEWEST
from webhook.policy.compile import CompiledPolicy, compile_policy
from webhook.policy.coverage import Coverage, coverage_of
from webhook.policy.mutants import Mutant, mutants_of


@dataclass(frozen=True, slots=True, eq=False)
class Tested:
    """A policy with the results of all cases of the suites that name it."""

    placed: PlacedPolicy
    compiled: CompiledPolicy
    results: tuple[CaseResult, ...]

    def coverage(self) -> Coverage:
        return coverage_of(self.compiled, (step for result in self.results for step in result.observed.steps))


@dataclass(frozen=True, slots=True)
class Mutated:
    """A changed policy, and whether some case failed by it."""

    tested: Tested
    mutant: Mutant
    killed: bool


def tested_in(results: Iterable[CaseResult]) -> tuple[Tested, ...]:
    """Return the policies of the suites in the order of their files, each with its cases' results."""
    placed: dict[tuple[str, str], PlacedPolicy] = {}
    found: dict[tuple[str, str], list[CaseResult]] = {}
    for result in results:
        for one in result.suite.policies:
            key = (one.document.file, one.policy.name)
            placed.setdefault(key, one)
            found.setdefault(key, []).append(result)
    return tuple(
        Tested(one, compile_policy(one.policy, _version(found[key])), tuple(found[key]))
        for key, one in sorted(placed.items())
    )


def _version(results: Sequence[CaseResult]) -> str:
    return results[0].suite.suite.kubernetes_version or NEWEST


def mutated(tested: Iterable[Tested], rehearsal: Rehearsal) -> Iterator[Mutated]:
    """Yield every mutant; only the cases that evaluate its expression are judged again, until one fails."""
    for one in tested:
        reached = _reached(one)
        for mutant in mutants_of(one.compiled, _version(one.results)):
            cases = reached.get(mutant.expression, ())
            yield Mutated(one, mutant, any(_fails(result, mutant, rehearsal) for result in cases))


def _reached(tested: Tested) -> dict[Expression, list[CaseResult]]:
    """Return by expression the cases in which it is evaluated."""
    found: dict[Expression, list[CaseResult]] = {}
    for result in tested.results:
        sources = {
            step.expression.source for step in result.observed.steps if step.policy.name == tested.placed.policy.name
        }
        for source in sources:
            found.setdefault(source, []).append(result)
    return found


def _fails(result: CaseResult, mutant: Mutant, rehearsal: Rehearsal) -> bool:
    view = result.prepared.view
    changed = replace(view, policies={**view.policies, mutant.policy.name: mutant.policy})
    observed = rehearsal.observed(result.suite, result.prepared, changed)
    return any(True for _ in misses(result.prepared.case.expect, observed))
