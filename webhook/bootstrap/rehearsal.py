"""Cases of policy tests, judged as a server over their cluster would judge them, phase by phase."""

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Final, Self

from webhook.bootstrap.admission import Admission, LeftToOthers
from webhook.bootstrap.offline import rulebook_of
from webhook.bootstrap.policing import PolicyDesk, utc_today
from webhook.bootstrap.suites import PlacedSuite, Prepared
from webhook.cel.functions.regex import compiled
from webhook.core.cluster import ClusterView
from webhook.core.decision import Deny
from webhook.core.finding import Finding, Severity
from webhook.core.patch import apply
from webhook.core.raw import RawObject
from webhook.core.render import warnings
from webhook.core.review import Resource, Review
from webhook.core.suites import Expectation, Expected, contains
from webhook.endpoints import DRA_KINDS, OWN_KINDS, POD_KINDS, WORKLOAD_KINDS
from webhook.kube.folder import Reading
from webhook.kube.kinds import kind_of
from webhook.kube.sqlite_ledger import SqliteLedger
from webhook.policy.cases import Policing
from webhook.policy.judge import Step
from webhook.rules import unknown_field
from webhook.rules.invalid_field import structural
from webhook.server import app
from webhook.server.limits import Budget
from webhook.server.work import Work
from webhook.settings import Settings

_MOST_SECONDS: Final = 60.0
_PHASES: Final = (
    (DRA_KINDS, (app.MUTATE_CLAIMS, app.VALIDATE_CLAIMS)),
    (POD_KINDS, (app.MUTATE_PODS, app.VALIDATE_PODS)),
    (WORKLOAD_KINDS, (app.VALIDATE_WORKLOADS,)),
    (OWN_KINDS, (app.VALIDATE_CONFIG,)),
)


@dataclass(frozen=True, slots=True)
class Observed:
    """What became of an object: the decision, all findings, the warnings as they are shown, and what is stored.

    `steps` are the expressions that were evaluated, where they were asked for.
    """

    decision: Expected
    findings: tuple[Finding, ...]
    warnings: tuple[str, ...]
    object: RawObject
    steps: tuple[Step, ...] = ()

    def telling(self) -> tuple[Finding, ...]:
        """Return the findings that made the decision; none of an object that is allowed."""
        wanted = {Expected.DENY: Severity.DENY, Expected.WARN: Severity.WARN}.get(self.decision)
        return tuple(finding for finding in self.findings if finding.severity is wanted)


@dataclass(frozen=True, slots=True)
class CaseResult:
    """A case and what came of it; `misses` say what was expected and is not so."""

    suite: PlacedSuite
    prepared: Prepared
    observed: Observed
    misses: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.misses


@dataclass(slots=True)
class _Told:
    """On which day policies judge, and what they evaluated."""

    today: date = field(default_factory=utc_today)
    steps: list[Step] | None = None


class _Desk(PolicyDesk):
    """Policies that judge on the day of a case, and tell every expression where that is asked for."""

    def __init__(self, told: _Told) -> None:
        super().__init__(today=lambda: told.today)
        self._told = told

    def of(self, view: ClusterView) -> Policing:
        steps = self._told.steps
        return replace(super().of(view), trace=None if steps is None else steps.append)


@dataclass(slots=True)
class _Stage:
    """A cluster that stands still."""

    view: ClusterView

    def unready(self) -> str:
        return ""


class Rehearsal:
    """Judges cases one after the other; to be closed."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._work = Work(1)
        self._told = _Told()
        self._rulebook = rulebook_of(Settings())
        self._free = SqliteLedger(None, self._rulebook.exempt)
        self._stage = _Stage(ClusterView())
        self._number = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.close()
        self._work.close()
        self._free.close()

    def _now(self) -> datetime:
        """Return the beginning of the day on which the case plays."""
        return datetime.combine(self._told.today, datetime.min.time(), UTC)

    def observed(self, suite: PlacedSuite, prepared: Prepared, view: ClusterView, *, traced: bool = False) -> Observed:
        """Return what becomes of the object of a case in a cluster."""
        steps: list[Step] | None = [] if traced else None
        self._told.today = prepared.case.now or suite.suite.now or utc_today()
        self._told.steps = steps
        self._stage.view = view
        self._number += 1
        ledger = self._free
        if view.quotas:
            ledger = SqliteLedger(None, self._rulebook.exempt)
            ledger.observe(Reading(view, ()))
        try:
            review = _review(suite, prepared, f"case-{self._number}")
            admission = Admission(
                self._stage,
                ledger,
                self._rulebook,
                self._work,
                LeftToOthers(are_made=False),
                _ignore,
                self._now,
                _Desk(self._told),  # a new one: no earlier version of a policy goes on in place of a broken one
                looks_again=0,
            )
            found, shown, stored = self._runner.run(_through(admission.handlers(), review))
        finally:
            if view.quotas:
                ledger.close()
        own = (*unknown_field.findings(prepared.object, exact=view.server.exact), *structural(prepared.object))
        findings = (*own, *found)
        severities = {finding.severity for finding in findings}
        decision = Expected.WARN if Severity.WARN in severities else Expected.ALLOW
        if Severity.DENY in severities:
            decision = Expected.DENY
        return Observed(decision, findings, (*warnings(own), *shown), stored, tuple(steps or ()))

    def run(self, suite: PlacedSuite, prepared: Prepared, *, traced: bool = False) -> CaseResult:
        """Return a case with what came of it."""
        observed = self.observed(suite, prepared, prepared.view, traced=traced)
        return CaseResult(suite, prepared, observed, tuple(misses(prepared.case.expect, observed)))


def _ignore(_: str) -> None:
    """Count nothing."""


def _phases_of(group: str, kind: str) -> tuple[str, ...]:
    """Return the endpoints that the API server asks of a kind that is created, in their order."""
    return next((phases for kinds, phases in _PHASES if (group, kind) in kinds), ())


async def _through(
    handlers: Mapping[str, app.Handler], review: Review
) -> tuple[tuple[Finding, ...], tuple[str, ...], RawObject]:
    """Return what all phases find, the warnings of each, and the object as their patches leave it."""
    findings: list[Finding] = []
    shown: list[str] = []
    stored = review.object or {}
    for phase in _phases_of(review.kind.group, review.kind.name):
        review = replace(review, object=stored)
        decision = await handlers[phase](review, Budget(time.monotonic() + _MOST_SECONDS))
        findings += decision.findings
        shown += warnings(decision.findings)
        if isinstance(decision, Deny):
            break
        stored = apply(stored, decision.patch)
    return tuple(findings), tuple(dict.fromkeys(shown)), stored


def _review(suite: PlacedSuite, prepared: Prepared, uid: str) -> Review:
    """Return what the API server would ask of the object of a case."""
    raw, case = prepared.object, prepared.case
    user = case.user or suite.suite.user
    group, _, version = str(raw["apiVersion"]).rpartition("/")
    kind = kind_of(raw)
    plural = kind.plural if kind is not None else f"{str(raw['kind']).lower()}s"
    metadata = raw["metadata"]
    name = metadata.get("name")
    return Review(
        uid=f"review-of-{uid}",
        operation=case.operation.value,
        kind=Resource(group, version, str(raw["kind"])),
        resource=Resource(group, version, plural),
        name=name if isinstance(name, str) else "",
        namespace=prepared.namespace,
        username=user.name,
        groups=user.groups,
        object={**raw, "metadata": {"uid": uid, **metadata}},
        old_object=prepared.old,
    )


def misses(expect: Expectation, observed: Observed) -> Iterable[str]:
    """Yield what was expected and is not so."""
    if expect.decision is not observed.decision:
        wanted = expect.decision.value if expect.decision is not None else "nothing"
        yield f"decision: must be {wanted}, and is {observed.decision.value}"
    elif not _has_finding(expect, observed):
        named = {
            "rule": expect.rule,
            "field": expect.field,
            "message": expect.message,
            "matches": expect.matches,
        }
        listed = ", ".join(f"{name} '{value}'" for name, value in named.items() if value is not None)
        yield f"no finding has {listed}"
    if expect.warnings is not None and expect.warnings != observed.warnings:
        yield f"warnings: must be {_listed(expect.warnings)}, and are {_listed(observed.warnings)}"
    if expect.object is not None and not contains(observed.object, expect.object):
        yield "object: what is stored has not all of it"


def _has_finding(expect: Expectation, observed: Observed) -> bool:
    if observed.decision is Expected.ALLOW:
        return True
    return any(_fits(expect, finding) for finding in observed.telling())


def _fits(expect: Expectation, finding: Finding) -> bool:
    if expect.rule is not None and expect.rule != finding.rule:
        return False
    if expect.field is not None and expect.field != str(finding.path):
        return False
    if expect.message is not None and expect.message != finding.message:
        return False
    return expect.matches is None or compiled(expect.matches).search(finding.message) is not None


def _listed(texts: Sequence[str]) -> str:
    return ", ".join(f"'{text}'" for text in texts) or "none"
