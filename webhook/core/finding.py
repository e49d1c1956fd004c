"""What a rule found: one problem at one place, with its severity and what would mend it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum

from webhook.core.fieldpath import FieldPath

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


class Severity(Enum):
    """How sure a rule is: deny what can never be right, warn of what is only absent today (architecture 1)."""

    DENY = "deny"
    WARN = "warn"
    INFO = "info"


class Reason(Enum):
    """The reason of a `metav1.StatusCause`, in the API server's own words (field.ErrorType)."""

    INVALID = "FieldValueInvalid"
    FORBIDDEN = "FieldValueForbidden"
    TOO_LONG = "FieldValueTooLong"
    NOT_FOUND = "FieldValueNotFound"
    NOT_SUPPORTED = "FieldValueNotSupported"
    REQUIRED = "FieldValueRequired"


@dataclass(frozen=True, slots=True)
class Span:
    """Code points of a text, counted from 0, the end exclusive."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Edit:
    """Sets the whole value at a path of the object as received; the value None removes it."""

    path: FieldPath
    value: Json


@dataclass(frozen=True, slots=True)
class Replacement:
    """New text for a span of the finding's source."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Fix:
    """What to change, in words, and as edits where a program can apply it.

    A rule that judges a text states `replacements`; `mending.py` composes those of all findings on one field into
    the one edit that mends them all (contract 3).
    """

    message: str
    edits: tuple[Edit, ...] = ()
    replacements: tuple[Replacement, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem.

    `message` is the problem alone: no path, no rule id, no full stop. `source` is the text in which `span` lies
    (a CEL expression), shown with a caret. `permitted` is False where the object is well-formed but not allowed
    here (quota, policy): such a denial is 403 Forbidden, any other 422 Invalid. `what` names, for the rule
    `unjudged` alone, the bounded kind of thing that was let pass. `disputed`: the finding rests on what an expression
    evaluates to, and the second CEL engine sees it otherwise; it is never a denial then. `opposed` asks that engine,
    which takes long to load; see `settled`. `status` is the reason that a policy names for the whole refusal
    (metav1.StatusReason).
    """

    rule: str
    severity: Severity
    path: FieldPath
    message: str
    fixes: tuple[Fix, ...] = ()
    source: str = ""
    span: Span | None = None
    why: str = ""
    reason: Reason = Reason.INVALID
    permitted: bool = True
    reference_text: str = ""
    what: str = ""
    disputed: bool = False
    opposed: Callable[[], bool] | None = field(default=None, compare=False, repr=False)
    status: str = ""

    def settled(self) -> "Finding":
        """Return the finding after the second CEL engine was asked: what it opposes is no denial."""
        if self.severity is not Severity.DENY or self.opposed is None or not self.opposed():
            return self
        return replace(self, severity=Severity.WARN, disputed=True)

    def lowered(self, most: Severity) -> "Finding":
        """Return the finding with a severity of at most the given one."""
        ladder = (Severity.INFO, Severity.WARN, Severity.DENY)
        if ladder.index(self.severity) <= ladder.index(most):
            return self
        return replace(self, severity=most)


UNJUDGED = "unjudged"


def unjudged(path: FieldPath, what: str, message: str) -> Finding:
    """Return the note that something was let pass because it cannot be judged here."""
    return Finding(UNJUDGED, Severity.INFO, path, message, what=what)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings sorted by field path with numeric indices, then by column (contract 7.6)."""
    return tuple(sorted(findings, key=_order))


def _order(finding: Finding) -> tuple[object, ...]:
    return (finding.path.order(), finding.span.start if finding.span else -1, finding.rule, finding.message)
