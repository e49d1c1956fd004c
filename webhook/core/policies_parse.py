"""Reads a ClaimPolicy; every problem is told at once, with its place and what mends it."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from enum import Enum
from typing import TypeVar

from webhook.core.claims import Toleration
from webhook.core.fieldpath import ROOT, FieldPath, parse_field_path
from webhook.core.finding import Edit
from webhook.core.labels import LabelSelector, parse_label_selector
from webhook.core.policies import (
    CONFIG_MAP,
    PARAMETERS,
    ClaimPolicy,
    DefaultCapacity,
    DefaultLabel,
    DefaultToleration,
    Expression,
    FailurePolicy,
    NamedExpression,
    ParameterNotFound,
    ParamKind,
    ParamRef,
    PolicyDefault,
    PolicyException,
    PolicyMatch,
    PolicyMode,
    PolicyReason,
    PolicyResource,
    Validation,
)
from webhook.core.raw import EMPTY, RawObject, Reader
from webhook.core.strict import Flaw, stray_fields
from webhook.core.suggest import nearest
from webhook.core.syntax_rules import C_IDENTIFIER, LABEL_VALUE, label_key

C = TypeVar("C", bound=Enum)

MOST_ENTRIES = 64
"""How many validations, variables, conditions or exceptions a policy may have (as ValidatingAdmissionPolicy)."""
MOST_ANNOTATIONS = 20
MOST_DEFAULTS = 32
MOST_NAMESPACES = 256
_MOST_FLAWS = 100

PARAM_KINDS = {("v1", CONFIG_MAP), ("drawbridge.dev/v1alpha1", PARAMETERS)}
OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")

SPEC_FIELDS = (
    "match",
    "mode",
    "percent",
    "failurePolicy",
    "paramKind",
    "paramRef",
    "matchConditions",
    "variables",
    "validations",
    "auditAnnotations",
    "defaults",
    "exceptions",
)
_SELECTOR = ("matchLabels", "matchExpressions")


def parse_policy(raw: RawObject) -> ClaimPolicy:
    """Return the policy; what cannot be read is among its flaws."""
    reading = _Reading()
    metadata = reading.struct(raw, "metadata", ROOT)
    spec = reading.struct(raw, "spec", ROOT)
    at = ROOT.child("spec")
    reading.known(spec, SPEC_FIELDS, at)
    param_kind = reading.param_kind(spec, at)
    policy = ClaimPolicy(
        name=reading.reader.text(metadata, "name", ROOT.child("metadata")),
        match=reading.match(spec, at),
        mode=reading.choice(spec, "mode", at, PolicyMode.DENY),
        failure_policy=reading.choice(spec, "failurePolicy", at, FailurePolicy.FAIL),
        percent=reading.percent(spec, at),
        param_kind=param_kind,
        param_ref=reading.param_ref(spec, at),
        match_conditions=tuple(reading.named(spec, "matchConditions", at)),
        variables=tuple(reading.named(spec, "variables", at)),
        validations=tuple(reading.validations(spec, at)),
        audit_annotations=tuple(reading.named(spec, "auditAnnotations", at, "key", "valueExpression")),
        defaults=tuple(reading.defaults(spec, at)),
        exceptions=tuple(reading.exceptions(spec, at)),
        generation=reading.reader.integer(metadata, "generation", ROOT.child("metadata")),
    )
    reading.whole(policy, at)
    return replace(policy, flaws=reading.all_flaws())


class _Reading:
    """One policy being read: its parts, and what is wrong with them."""

    def __init__(self) -> None:
        self.reader = Reader()
        self.flaws: list[Flaw] = []

    def all_flaws(self) -> tuple[Flaw, ...]:
        """Return what is wrong, wrong types included."""
        typed = (Flaw(misfit.path, misfit.message, _as_typed(misfit.path)) for misfit in self.reader.misfits)
        return (*self.flaws, *typed)[:_MOST_FLAWS]

    def note(self, path: FieldPath, message: str, fix: str, edit: str | None = None) -> None:
        self.flaws.append(Flaw(path, message, fix, () if edit is None else (Edit(path, edit),)))

    def struct(self, raw: RawObject, name: str, path: FieldPath) -> RawObject:
        return self.reader.struct(raw, name, path) or EMPTY

    def known(self, raw: RawObject, fields: Sequence[str], path: FieldPath) -> bool:
        """Note every field that there is not; return whether there is none of them."""
        before = len(self.flaws)
        self.flaws += stray_fields(raw, fields, path)
        return len(self.flaws) == before

    def choice(self, raw: RawObject, name: str, path: FieldPath, default: C) -> C:
        """Return one of the values of an enumeration; for one that there is not, the default: the strictest."""
        written = self.reader.text(raw, name, path)
        if not written:
            return default
        kind = type(default)
        for choice in kind:
            if choice.value == written:
                return choice
        self._no_choice(path.child(name), written, [str(choice.value) for choice in kind])
        return default

    def _no_choice(self, path: FieldPath, written: str, values: Sequence[str]) -> None:
        near = nearest(written, values)
        *most, last = (f"'{value}'" for value in values)
        words = f"must be {', '.join(most)} or {last}, not '{written}'"
        self.note(path, words, f"did you mean '{near[0]}'?" if near else "use one of these", *near[:1])

    def percent(self, spec: RawObject, at: FieldPath) -> int:
        if spec.get("percent") is None:
            return 100
        value = self.reader.integer(spec, "percent", at)
        if not 0 <= value <= 100:
            self.note(at.child("percent"), f"must be a percentage from 0 to 100, not {value}", "use such a number")
            return 100
        return value

    def selector(self, raw: RawObject, name: str, path: FieldPath) -> LabelSelector | None:
        found = self.reader.struct(raw, name, path)
        if found is None:
            return None
        at = path.child(name)
        self.known(found, _SELECTOR, at)
        selector = parse_label_selector(found, at, self.reader)
        expressions = found.get("matchExpressions")
        for position, entry in enumerate(expressions if isinstance(expressions, list) else ()):
            if not isinstance(entry, dict):
                continue
            place = at.child("matchExpressions").index(position)
            self.known(entry, ("key", "operator", "values"), place)
            operator = entry.get("operator")
            if operator not in OPERATORS:
                self._no_choice(place.child("operator"), str(operator or ""), OPERATORS)
            elif (operator in ("In", "NotIn")) != bool(entry.get("values")):
                words = "must have `values` with In and NotIn, and none with Exists and DoesNotExist"
                self.note(place, words, "add or remove the `values`")
        return selector

    def match(self, spec: RawObject, at: FieldPath) -> PolicyMatch:
        raw, path = self.struct(spec, "match", at), at.child("match")
        self.known(raw, ("namespaceSelector", "objectSelector", "resources"), path)
        chosen = []
        for position, written in enumerate(self.reader.texts(raw, "resources", path)):
            known = [resource.value for resource in PolicyResource]
            if written in known:
                chosen.append(PolicyResource(written))
            else:
                self._no_choice(path.child("resources").index(position), written, known)
        given = bool(raw.get("resources"))
        return PolicyMatch(
            self.selector(raw, "namespaceSelector", path) or LabelSelector(),
            self.selector(raw, "objectSelector", path) or LabelSelector(),
            frozenset(chosen) if given else frozenset(PolicyResource),
        )

    def param_kind(self, spec: RawObject, at: FieldPath) -> ParamKind | None:
        raw = self.reader.struct(spec, "paramKind", at)
        if raw is None:
            return None
        path = at.child("paramKind")
        self.known(raw, ("apiVersion", "kind"), path)
        found = ParamKind(self.reader.text(raw, "apiVersion", path), self.reader.text(raw, "kind", path))
        if (found.api_version, found.kind) not in PARAM_KINDS:
            fix = f"use `{CONFIG_MAP}` of 'v1' or `{PARAMETERS}` of 'drawbridge.dev/v1alpha1'"
            self.note(path, f"must be a kind that policies can take parameters from, not '{found.kind}'", fix)
        return found

    def param_ref(self, spec: RawObject, at: FieldPath) -> ParamRef | None:
        raw = self.reader.struct(spec, "paramRef", at)
        if raw is None:
            return None
        path = at.child("paramRef")
        self.known(raw, ("name", "namespace", "selector", "parameterNotFoundAction"), path)
        name, selector = self.reader.text(raw, "name", path), self.selector(raw, "selector", path)
        if bool(name) == (selector is not None):
            self.note(path, "must have exactly one of `name` and `selector`", "keep the one that is meant")
        not_found = self.choice(raw, "parameterNotFoundAction", path, ParameterNotFound.DENY)
        return ParamRef(name, self.reader.text(raw, "namespace", path), selector, not_found)

    def expression(self, raw: RawObject, name: str, path: FieldPath) -> Expression | None:
        text = self.reader.text(raw, name, path)
        return Expression(text, path.child(name)) if text else None

    def _entries(self, spec: RawObject, name: str, at: FieldPath, most: int) -> Iterator[tuple[RawObject, FieldPath]]:
        """Yield the entries of a list, no more than it may have."""
        listed = spec.get(name)
        if isinstance(listed, list) and len(listed) > most:
            fix = "make several policies of it"
            self.note(at.child(name), f"must have at most {most} entries, not {len(listed)}", fix)
        for position, entry in enumerate(self.reader.structs(spec, name, at)):
            if position >= most:
                return
            yield entry

    def named(
        self, spec: RawObject, name: str, at: FieldPath, key: str = "name", text: str = "expression"
    ) -> Iterator[NamedExpression]:
        most = MOST_ANNOTATIONS if key == "key" else MOST_ENTRIES
        seen: set[str] = set()
        for raw, path in self._entries(spec, name, at, most):
            self.known(raw, (key, text), path)
            called, expression = self.reader.text(raw, key, path), self.expression(raw, text, path)
            if not called:
                self.note(path, f"must have a `{key}`", "give it one")
            elif called in seen:
                self.note(path.child(key), f"must not be '{called}' again: it is there already", "use another")
            elif name == "variables" and not C_IDENTIFIER.matches(called):
                fix = "use letters, digits and '_'"
                self.note(path.child(key), f"must be a name that follows `variables.`, not '{called}'", fix)
            elif name != "variables" and not (_NAME.fullmatch(called.rpartition("/")[2]) and len(called) <= 317):
                fix = "use letters, digits, '-', '_' and '.'"
                self.note(path.child(key), f"must be a qualified name, not '{called}'", fix)
            seen.add(called)
            if expression is None:
                self.note(path, f"must have {_article(text)} `{text}`", "write it as CEL")
            else:
                yield NamedExpression(called, expression)

    def validations(self, spec: RawObject, at: FieldPath) -> Iterator[Validation]:
        for raw, path in self._entries(spec, "validations", at, MOST_ENTRIES):
            self.known(raw, ("expression", "message", "messageExpression", "field", "reason"), path)
            expression = self.expression(raw, "expression", path)
            message = self.reader.text(raw, "message", path)
            if "\n" in message.strip():
                self.note(path.child("message"), "must not have line breaks", "write it on one line")
            if expression is None:
                if raw.get("expression") in (None, ""):
                    self.note(path, "must have an `expression`", "write what must hold as CEL")
                continue
            yield Validation(
                expression=expression,
                message=message.strip(),
                message_expression=self.expression(raw, "messageExpression", path),
                field=self._field(raw, path),
                reason=self.choice(raw, "reason", path, PolicyReason.FORBIDDEN),
                path=path,
            )

    def _field(self, raw: RawObject, path: FieldPath) -> FieldPath | None:
        written = self.reader.text(raw, "field", path)
        if not written:
            return None
        found = parse_field_path(written)
        if found is None:
            fix = "write it as in 'spec.devices.requests[0].exactly.count'"
            self.note(path.child("field"), f"must be the path of a field, not '{written}'", fix)
        return found

    def defaults(self, spec: RawObject, at: FieldPath) -> Iterator[PolicyDefault]:
        for raw, path in self._entries(spec, "defaults", at, MOST_DEFAULTS):
            whole = self.known(raw, ("toleration", "capacity", "label"), path)
            given = [name for name in ("toleration", "capacity", "label") if raw.get(name) is not None]
            if len(given) != 1 and not whole:
                continue
            if len(given) != 1:
                words = "must have exactly one of `toleration`, `capacity` and `label`"
                self.note(path, words, "make several entries of it")
                continue
            entry, place = self.struct(raw, given[0], path), path.child(given[0])
            found = {"toleration": self._toleration, "capacity": self._capacity, "label": self._label}[given[0]](
                entry, place
            )
            if found is not None:
                yield found

    def _toleration(self, raw: RawObject, path: FieldPath) -> PolicyDefault | None:
        self.known(raw, ("key", "operator", "value", "effect"), path)
        read = self.reader.text
        operator = read(raw, "operator", path) or "Equal"
        found = Toleration(read(raw, "key", path), operator, read(raw, "value", path), read(raw, "effect", path), path)
        if operator not in ("Exists", "Equal"):
            self._no_choice(path.child("operator"), operator, ("Exists", "Equal"))
        elif (found.value and operator == "Exists") or (not found.key and operator == "Equal"):
            self.note(
                path, "must have a `key` with Equal, and may not have a `value` with Exists", "write operator: Equal"
            )
        if found.effect not in ("", "None", "NoSchedule", "NoExecute"):
            self._no_choice(path.child("effect"), found.effect, ("None", "NoSchedule", "NoExecute"))
        if found.key:
            self.flaws += label_key(found.key, path.child("key"))
        return DefaultToleration(found)

    def _capacity(self, raw: RawObject, path: FieldPath) -> PolicyDefault | None:
        self.known(raw, ("name", "quantity"), path)
        name, written = self.reader.text(raw, "name", path), raw.get("quantity")
        quantity = self.reader.quantity(written, path.child("quantity"))
        if not name or written is None:
            self.note(path, "must have a `name` and a `quantity`", "write for example {name: memory, quantity: 10Gi}")
        if not name or quantity is None:
            return None
        if quantity.amount < 0:
            words = f"must be greater than or equal to 0, not '{quantity}'"
            self.note(path.child("quantity"), words, "use an amount that is not negative")
        return DefaultCapacity(name, quantity, written if isinstance(written, str | int) else str(quantity))

    def _label(self, raw: RawObject, path: FieldPath) -> PolicyDefault | None:
        self.known(raw, ("key", "value"), path)
        key, value = self.reader.text(raw, "key", path), self.reader.text(raw, "value", path)
        for flaw in label_key(key, path.child("key")):
            self.note(flaw.path, flaw.message, "write it as in 'team' or 'example.com/team'")
        if not LABEL_VALUE.matches(value):
            words = f"must be {LABEL_VALUE.what}, at most {LABEL_VALUE.most}"
            self.note(path.child("value"), words, "use such a value")
        return DefaultLabel(key, value)

    def exceptions(self, spec: RawObject, at: FieldPath) -> Iterator[PolicyException]:
        for raw, path in self._entries(spec, "exceptions", at, MOST_ENTRIES):
            whole = self.known(raw, ("namespaces", "users", "claimSelector", "until", "reason", "ticket"), path)
            found = PolicyException(
                namespaces=frozenset(self.reader.texts(raw, "namespaces", path)),
                users=frozenset(self.reader.texts(raw, "users", path)),
                claim_selector=self.selector(raw, "claimSelector", path),
                until=self._until(raw, path),
                reason=self.reader.text(raw, "reason", path),
                ticket=self.reader.text(raw, "ticket", path),
                path=path,
            )
            chosen = found.claim_selector is not None and found.claim_selector.requirements
            if whole and not found.namespaces and not found.users and not chosen:
                words = "must say for whom it is: `namespaces`, `users` or `claimSelector`"
                self.note(path, words, "add at least one of them; an exception for all would be no policy")
            if len(found.namespaces) > MOST_NAMESPACES:
                self.note(
                    path.child("namespaces"),
                    f"must have at most {MOST_NAMESPACES} entries",
                    "use a label of the namespaces, and `match.namespaceSelector`",
                )
            yield found

    def _until(self, raw: RawObject, path: FieldPath) -> date | None:
        value = raw.get("until")
        # YAML reads a bare date as one.
        written = value.isoformat() if type(value) is date else value
        if written in (None, ""):
            self.note(path, "must have `until`, its last day", "write it as '2027-01-31'; exceptions end")
            return None
        try:
            if isinstance(written, str) and _DATE.fullmatch(written):
                return date.fromisoformat(written)
        except ValueError:
            pass
        self.note(path.child("until"), f"must be a date, not '{written}'", "write it as '2027-01-31'")
        return None

    def whole(self, policy: ClaimPolicy, at: FieldPath) -> None:
        """Note what is wrong with the parts together."""
        if policy.param_ref is not None and policy.param_kind is None:
            self.note(at.child("paramRef"), "must not stand without `paramKind`", "add `paramKind`")
        if policy.param_kind is not None and policy.param_ref is None:
            self.note(at.child("paramKind"), "must not stand without `paramRef`", "add `paramRef`: which object it is")
        if (
            not self.flaws
            and not self.reader.misfits
            and not (policy.validations or policy.defaults or policy.audit_annotations)
        ):
            words = "must have at least one entry in `validations`, `defaults` or `auditAnnotations`"
            self.note(at, words, "a policy without them does nothing: add what must hold")


def _as_typed(path: FieldPath) -> str:
    names = [step for step in path.steps if isinstance(step, str)]
    field = names[-1] if names else "object"
    return f"write `{field}` as its type says, or leave it out"


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"
