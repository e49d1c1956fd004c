"""PolicyTestSuite: cases of policies and what is expected of each, as `drawbridge test` reads them.

What cannot be read is among the flaws, with its place and what mends it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum

from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.raw import EMPTY, RawObject, Reader
from webhook.core.strict import Flaw, stray_fields
from webhook.core.versions import SUPPORTED

KIND = "PolicyTestSuite"

SPEC_FIELDS = ("policies", "cluster", "kubernetesVersion", "namespace", "user", "now", "base", "cases")
CASE_FIELDS = (
    "name",
    "object",
    "oldObject",
    "operation",
    "namespace",
    "user",
    "now",
    "kubernetesVersion",
    "cluster",
    "expect",
)
EXPECT_FIELDS = ("decision", "rule", "message", "matches", "field", "warnings", "object")
_OF_FINDING = ("rule", "message", "matches", "field")


class Expected(Enum):
    """What becomes of the object: allowed without a warning, allowed with one, or refused."""

    ALLOW = "allow"
    WARN = "warn"
    DENY = "deny"


class Operation(Enum):
    """The operations of which Drawbridge is asked."""

    CREATE = "CREATE"
    UPDATE = "UPDATE"


@dataclass(frozen=True, slots=True)
class User:
    """Who asks, where no user is named."""

    name: str = "kubernetes-admin"
    groups: tuple[str, ...] = ("system:authenticated",)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a case is to come to; what is None is not looked at. `matches` is a pattern of RE2.

    One finding of the decision's severity must have rule, message and field. `warnings` are all that are shown to the
    user, `object` is a part of what is stored.
    """

    decision: Expected | None = None
    rule: str | None = None
    message: str | None = None
    matches: str | None = None
    field: str | None = None
    warnings: tuple[str, ...] | None = None
    object: RawObject | None = None


@dataclass(frozen=True, slots=True)
class SuiteCase:
    """One object, who does what with it when, and what is expected; None is what the suite says.

    `cluster` is added to the suite's: paths, and objects that stand in the suite. `path` is the case's place.
    """

    name: str
    path: FieldPath
    object: RawObject | str
    expect: Expectation
    old: RawObject | str | None = None
    operation: Operation = Operation.CREATE
    namespace: str = ""
    user: User | None = None
    now: date | None = None
    kubernetes_version: str = ""
    cluster: tuple[str | RawObject, ...] = ()


@dataclass(frozen=True, slots=True)
class Suite:
    """Cases with what they share. Paths are relative to the suite's file; `base` is what objects are merged over."""

    name: str
    policies: tuple[str, ...] = ()
    cluster: tuple[str | RawObject, ...] = ()
    kubernetes_version: str = ""
    namespace: str = ""
    user: User = field(default_factory=User)
    now: date | None = None
    base: RawObject = field(default_factory=dict)
    cases: tuple[SuiteCase, ...] = ()
    flaws: tuple[Flaw, ...] = ()


def merged(base: object, over: object) -> object:
    """Return a value merged over another: mappings entry by entry, null takes an entry away (RFC 7386)."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return over
    result = dict(base)
    for name, value in over.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value) if isinstance(value, dict) else value
    return result


def contains(whole: object, part: object) -> bool:
    """Return whether a value has all that a part of it names; lists must be the same."""
    if isinstance(part, dict) and isinstance(whole, dict):
        return all(name in whole and contains(whole[name], value) for name, value in part.items())
    return whole == part


def parse_suite(raw: RawObject) -> Suite:
    """Return the suite; what cannot be read is among its flaws."""
    reading = _Reading()
    reading.known(raw, ("apiVersion", "kind", "metadata", "spec"), ROOT)
    metadata = reading.reader.struct(raw, "metadata", ROOT) or EMPTY
    spec, at = reading.reader.struct(raw, "spec", ROOT) or EMPTY, ROOT.child("spec")
    reading.known(spec, SPEC_FIELDS, at)
    text = reading.reader.text
    suite = Suite(
        name=text(metadata, "name", ROOT.child("metadata")),
        policies=reading.reader.texts(spec, "policies", at),
        cluster=reading.cluster(spec, at),
        kubernetes_version=reading.version(spec, at),
        namespace=text(spec, "namespace", at),
        user=reading.user(spec, at) or User(),
        now=reading.date(spec, at),
        base=reading.reader.struct(spec, "base", at) or EMPTY,
        cases=reading.cases(spec, at),
    )
    misfits = (Flaw(one.path, one.message, one.fix or "write it as its type says") for one in reading.reader.misfits)
    return replace(suite, flaws=(*reading.flaws, *misfits))


class _Reading:
    """One suite being read: its parts, and what is wrong with them."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.flaws: list[Flaw] = []

    def note(self, path: FieldPath, message: str, fix: str) -> None:
        self.flaws.append(Flaw(path, message, fix))

    def known(self, raw: RawObject, fields: Sequence[str], path: FieldPath) -> None:
        self.flaws += stray_fields(raw, fields, path)

    def cluster(self, raw: RawObject, path: FieldPath) -> tuple[str | RawObject, ...]:
        found: list[str | RawObject] = []
        for value, at in self.reader.items(raw, "cluster", path, (str,)):
            if isinstance(value, str | dict):
                found.append(value)
            else:
                self.note(at, "must be the path of a folder or file, or an object", "write one of them")
        return tuple(found)

    def user(self, raw: RawObject, path: FieldPath) -> User | None:
        found = self.reader.struct(raw, "user", path, inner="name")
        if found is None:
            return None
        at = path.child("user")
        self.known(found, ("name", "groups"), at)
        groups = User().groups if "groups" not in found else self.reader.texts(found, "groups", at)
        return User(self.reader.text(found, "name", at) or User().name, groups)

    def date(self, raw: RawObject, path: FieldPath) -> date | None:
        written = self.reader.text(raw, "now", path)
        try:
            return date.fromisoformat(written) if written else None
        except ValueError:
            self.note(path.child("now"), f"must be a date, not '{written}'", "write it as '2027-01-31'")
            return None

    def cases(self, spec: RawObject, path: FieldPath) -> tuple[SuiteCase, ...]:
        found: list[SuiteCase] = []
        for raw, at in self.reader.structs(spec, "cases", path):
            self.known(raw, CASE_FIELDS, at)
            name = self.reader.text(raw, "name", at)
            if not name:
                self.note(at, "must have a `name`", "say in a few words what the case shows")
            elif name in {case.name for case in found}:
                self.note(at.child("name"), f"must not be '{name}' again: it is there already", "use another")
            case = self._case(raw, at, name)
            if (case.operation is Operation.UPDATE) != (case.old is not None):
                self.note(at, "must have `oldObject` with the operation UPDATE alone", "add what is missing")
            found.append(case)
        if not found and not self.reader.misfits:
            self.note(path, "must have at least one entry in `cases`", "add what is to be tested")
        return tuple(found)

    def _case(self, raw: RawObject, at: FieldPath, name: str) -> SuiteCase:
        text = self.reader.text
        return SuiteCase(
            name=name,
            path=at,
            object=self._object(raw, "object", at) or EMPTY,
            expect=self._expectation(raw, at),
            old=self._object(raw, "oldObject", at),
            operation=self.reader.choice(raw, "operation", at, Operation.CREATE),
            namespace=text(raw, "namespace", at),
            user=self.user(raw, at),
            now=self.date(raw, at),
            kubernetes_version=self.version(raw, at),
            cluster=self.cluster(raw, at),
        )

    def version(self, raw: RawObject, path: FieldPath) -> str:
        written = self.reader.text(raw, "kubernetesVersion", path)
        if written and written not in SUPPORTED:
            listed = ", ".join(f"'{version}'" for version in SUPPORTED)
            self.note(path.child("kubernetesVersion"), f"must be one of {listed}, not '{written}'", "use one of these")
            return ""
        return written

    def _object(self, raw: RawObject, name: str, path: FieldPath) -> RawObject | str | None:
        value = raw.get(name)
        if value is None or isinstance(value, str | dict):
            return value
        self.note(path.child(name), "must be an object, or the path of a file that holds one", "write one of them")
        return None

    def _expectation(self, raw: RawObject, path: FieldPath) -> Expectation:
        found, at = self.reader.struct(raw, "expect", path), path.child("expect")
        if found is None:
            return Expectation()
        self.known(found, EXPECT_FIELDS, at)
        decision = self.reader.choice(found, "decision", at, Expected.ALLOW) if "decision" in found else None
        if decision is None:
            self.note(at, "must have a `decision`", "write allow, warn or deny; or run `drawbridge test --update`")
        if "message" in found and "matches" in found:
            self.note(at, "must have only one of `message` and `matches`", "keep the one that is meant")
        for name in _OF_FINDING:
            if decision is Expected.ALLOW and name in found:
                self.note(at.child(name), "must not stand beside `decision: allow`", "take it out, or expect a warning")

        def given(name: str) -> str | None:
            return self.reader.text(found, name, at) if found.get(name) is not None else None

        return Expectation(
            decision=decision,
            rule=given("rule"),
            message=given("message"),
            matches=given("matches"),
            field=given("field"),
            warnings=self.reader.texts(found, "warnings", at) if "warnings" in found else None,
            object=self.reader.struct(found, "object", at),
        )
