"""What policies say of objects that exist: a result for each object and policy, counted by policy and namespace."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from webhook.core.finding import Finding, Severity
from webhook.core.raw import RawObject
from webhook.policy.compile import CompiledPolicy
from webhook.policy.judge import Judgement, Outcome

_OF_REQUESTS: Final = "request.userInfo"


class Result(Enum):
    """What a policy says of an object, in the words of PolicyReport (wgpolicyk8s.io)."""

    FAIL = "fail"  # a creation would be refused
    WARN = "warn"  # it does not hold, and the mode is Warn or Audit
    ERROR = "error"  # it cannot be evaluated, and the failurePolicy is Ignore
    PASS = "pass"  # noqa: S105 - no password
    SKIP = "skip"  # an exception, or the policy's conditions, leave the object out


RESULTS: Final[Mapping[Outcome, Result]] = {
    Outcome.PASSED: Result.PASS,
    Outcome.DENIED: Result.FAIL,
    Outcome.WARNED: Result.WARN,
    Outcome.AUDITED: Result.WARN,
    Outcome.EXCEPTED: Result.SKIP,
    Outcome.SKIPPED: Result.SKIP,
    Outcome.FAILED: Result.ERROR,
}
TOLD: Final = (Result.FAIL, Result.WARN, Result.ERROR)
"""The results of which each object is told."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An object that was looked at; `namespace` is empty for one that has none."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Entry:
    """What one policy says of one object that is not as it asks."""

    policy: str
    subject: Subject
    result: Result
    findings: tuple[Finding, ...]

    @property
    def message(self) -> str:
        return "; ".join(finding.message for finding in self.findings)


@dataclass(slots=True)
class Audit:
    """What was found so far; `counts` are by namespace, then by policy."""

    policies: Sequence[CompiledPolicy]
    objects: int = 0
    entries: list[Entry] = field(default_factory=list)
    counts: dict[str, dict[str, Counter[Result]]] = field(default_factory=dict)

    def add(self, subject: Subject, said: Judgement) -> None:
        """Take in what the policies said of an object."""
        self.objects += 1
        of_policy: dict[str, list[Finding]] = {}
        for finding in said.findings:
            of_policy.setdefault(finding.rule, []).append(finding)
        for name, outcome in said.outcomes:
            findings = of_policy.get(f"policy/{name}") or _notes(said.findings, name)
            result = _result(outcome, findings)
            self.counts.setdefault(subject.namespace, {}).setdefault(name, Counter())[result] += 1
            if result in TOLD:
                self.entries.append(Entry(name, subject, result, tuple(findings)))

    def summary(self, *, namespace: str | None = None, policy: str | None = None) -> Counter[Result]:
        """Return how often there was each result, everywhere or in a namespace, by all policies or by one."""
        total: Counter[Result] = Counter()
        places = self.counts.values() if namespace is None else [self.counts.get(namespace, {})]
        for counted in places:
            for name, counts in counted.items():
                if policy in (None, name):
                    total.update(counts)
        return total

    def namespaces(self) -> tuple[str, ...]:
        """Return the namespaces in which some policy looked at something; the empty one is the cluster itself."""
        return tuple(sorted(self.counts))


def _result(outcome: Outcome, findings: Sequence[Finding]) -> Result:
    """Return the result; where the severity of the policy's findings is set, it is that which counts."""
    result = RESULTS[outcome]
    if result not in (Result.FAIL, Result.WARN):
        return result
    if not findings:
        return Result.SKIP
    return Result.FAIL if any(finding.severity is Severity.DENY for finding in findings) else Result.WARN


def _notes(findings: Iterable[Finding], name: str) -> list[Finding]:
    """Return what was noted of a policy that was passed over."""
    return [finding for finding in findings if finding.message.startswith(f"policy '{name}' ")]


def asks_who(policy: CompiledPolicy) -> bool:
    """Return whether a policy goes by who asks, which an object that exists does not say."""
    return any(exception.users for exception in policy.policy.exceptions) or any(
        word.startswith(_OF_REQUESTS) for word in policy.words
    )


def subject_of(raw: RawObject, namespace: str) -> Subject:
    metadata = raw.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    return Subject(
        str(raw.get("apiVersion") or ""),
        str(raw.get("kind") or ""),
        namespace,
        str(metadata.get("name") or ""),
        str(metadata.get("uid") or ""),
    )
