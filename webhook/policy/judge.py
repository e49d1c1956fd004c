"""Judging an object by policies: all of them in the order of their names, each finding where its policy points."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import Final

from webhook.cel.depth import allow_depth
from webhook.cel.values import MISSING, EvaluationError, LazyMap, Value
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.finding import Finding, Fix, Severity, in_order, unjudged
from webhook.core.policies import (
    CONFIG_MAP,
    ClaimPolicy,
    FailurePolicy,
    ParameterNotFound,
    PolicyException,
    PolicyMode,
    PolicyResource,
    Validation,
)
from webhook.policy.case import PolicyCase, labels_in
from webhook.policy.compile import CompiledExpression, CompiledPolicy, CompiledValidation
from webhook.policy.running import Budget, EvaluationFailedError, Variables, failed_evaluation
from webhook.policy.vocabulary import MOST_TEXT_OF_PARAMS, PARAMS, VARIABLES
from webhook.policy.wording import annotation_of, evaluation_problem, message_of, place_of
from webhook.policy.words import Words, extent_of

ENDING_DAYS: Final = 14
"""How long before its end an exception is warned of."""


class Outcome(Enum):
    """What became of one policy on one object; a metric counts each."""

    PASSED = "passed"
    DENIED = "denied"
    WARNED = "warned"
    AUDITED = "audited"
    EXCEPTED = "excepted"
    SKIPPED = "skipped"  # its matchConditions, or its parameters, say that it does not concern the object
    FAILED = "failed"  # an expression ended in an error, and the failurePolicy is Ignore


@dataclass(frozen=True, slots=True)
class Step:
    """One expression that was evaluated, for those who look on: its result, or its error in our words.

    `values` are those of the nodes of its tree by their ids, where they were asked for.
    """

    policy: ClaimPolicy
    expression: CompiledExpression
    result: Value
    error: str = ""
    values: Mapping[int, tuple[Value, ...]] = field(default_factory=dict)


Trace = Callable[[Step], None]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What policies say of an object: findings, audit annotations, and what became of each policy that matched."""

    findings: tuple[Finding, ...] = ()
    audit: Mapping[str, str] = field(default_factory=dict)
    outcomes: tuple[tuple[str, Outcome], ...] = ()


def matching(
    policies: Iterable[CompiledPolicy], resource: PolicyResource, labels: Mapping[str, str] | None
) -> tuple[CompiledPolicy, ...]:
    """Return the policies that look at a resource in a namespace with these labels; None is no namespace at all."""
    return tuple(
        one
        for one in policies
        if resource in one.policy.match.resources
        and (labels is None or one.policy.match.namespace_selector.matches(labels))
    )


def judge(policies: Iterable[CompiledPolicy], case: PolicyCase, trace: Trace | None = None) -> Judgement:
    """Return what the policies say; `trace` is told every expression, with the values of its parts."""
    return judge_concerned(sorted(matching(policies, case.resource, case.namespace_labels()), key=_name), case, trace)


def _name(compiled: CompiledPolicy) -> str:
    return compiled.policy.name


def judge_concerned(policies: Iterable[CompiledPolicy], case: PolicyCase, trace: Trace | None = None) -> Judgement:
    """The same of policies that are known to look at the resource in its namespace, in the order of their names."""
    words = Words(case)
    found: list[Finding] = []
    audit: dict[str, str] = {}
    outcomes: list[tuple[str, Outcome]] = []
    labels = case.labels
    for compiled in policies:
        if not compiled.policy.match.object_selector.matches(labels):
            continue
        one = _Judging(compiled, case, words, trace)
        outcomes.append((compiled.policy.name, one.outcome()))
        found += [*one.findings, *one.notes]
        audit |= one.audit
    return Judgement(in_order(found), audit, tuple(outcomes))


def concerns(compiled: CompiledPolicy, case: PolicyCase) -> bool:
    """Return whether the policy holds for the object: it is in its share, not excepted, and its conditions hold."""
    if not compiled.policy.match.object_selector.matches(case.labels) or not in_share(compiled.policy, case.namespace):
        return False
    return _Judging(compiled, case, Words(case), None).is_concerned()


def in_share(policy: ClaimPolicy, namespace: str) -> bool:
    """Return whether the namespace is among the `percent` of them in which the policy's mode holds."""
    if policy.percent >= 100:
        return True
    digest = sha256(f"{policy.name}/{namespace}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 100 < policy.percent


_SEVERITIES: Final = {
    PolicyMode.DENY: Severity.DENY,
    PolicyMode.WARN: Severity.WARN,
    PolicyMode.AUDIT: Severity.INFO,
}
_OUTCOMES: Final = {
    Severity.DENY: Outcome.DENIED,
    Severity.WARN: Outcome.WARNED,
    Severity.INFO: Outcome.AUDITED,
}


class _Judging:
    """One policy on one object."""

    def __init__(self, compiled: CompiledPolicy, case: PolicyCase, words: Words, trace: Trace | None) -> None:
        self.findings: list[Finding] = []
        self.notes: list[Finding] = []
        self._told: dict[str, list[str]] = {}
        self._compiled = compiled
        self._policy = compiled.policy
        self._case = case
        self._words = words
        self._trace = trace
        mode = compiled.policy.mode if in_share(compiled.policy, case.namespace) else PolicyMode.AUDIT
        self._severity = _SEVERITIES[mode]
        self._budget = Budget(case.expired)
        self._is_quick = False
        if compiled.depth:
            allow_depth()  # each variable is evaluated inside of the one that reads it
        self._failed = False

    def outcome(self) -> Outcome:
        """Return what becomes of the policy; findings and audit annotations are there then."""
        exception = self._exception()
        if exception is not None and not self._ends_soon(exception):
            return Outcome.EXCEPTED
        if self._case.expired():
            self._fail(ROOT, "the time for this review was over before the policy was evaluated")
        elif self._compiled.flaws:
            first = self._compiled.flaws[0]
            self._fail(first.path, first.message)
        else:
            skipped = self._judge()
            if skipped:
                return Outcome.SKIPPED
        if exception is not None:
            told = self.findings and self._severity is not Severity.INFO
            self.findings = [self._ending(exception)] if told else []
            return Outcome.EXCEPTED
        if self.findings:
            return _OUTCOMES[self._severity]
        return Outcome.FAILED if self._failed else Outcome.PASSED

    def is_concerned(self) -> bool:
        """Return whether the object is not excepted, and the conditions hold by one of the parameters."""
        if self._exception() is not None:
            return False
        try:
            return any(self._concerns(self._around(param)) for param in self._params())
        except EvaluationFailedError:
            return False

    def _exception(self) -> PolicyException | None:
        """Return the exception that holds longest, if one holds."""
        if not self._policy.exceptions:
            return None
        case = self._case
        holding = [
            exception
            for exception in self._policy.exceptions
            if exception.holds(case.namespace, case.requester.username, case.labels, case.today)
        ]
        return max(holding, key=lambda exception: exception.until or case.today, default=None)

    def _ends_soon(self, exception: PolicyException) -> bool:
        return exception.until is not None and (exception.until - self._case.today).days <= ENDING_DAYS

    def _ending(self, exception: PolicyException) -> Finding:
        ticket = f" ({exception.ticket})" if exception.ticket else ""
        message = f"allowed by an exception that ends on {exception.until}{ticket}"
        told = self.findings[0]
        fix = Fix(f"before then: {told.message}")
        return Finding(self._policy.rule, Severity.WARN, told.path, message, (fix,), permitted=False)

    def _judge(self) -> bool:
        """Evaluate everything by each of the parameters; return whether the policy does not concern the object."""
        try:
            params = self._params()
        except EvaluationFailedError as failed:
            self._fail(failed.path, failed.problem)
            return False
        concerned = [self._judge_by(param) for param in params]
        return not any(concerned)

    def _judge_by(self, param: Value) -> bool:
        """Evaluate everything by one object of parameters; return whether the policy concerns the object by it."""
        variables = self._around(param)
        try:
            if not self._concerns(variables):
                return False
        except EvaluationFailedError as failed:
            self._fail(failed.path, failed.problem)
            return True
        for validation in self._compiled.validations:
            self._validate(validation, variables)
        self._annotate(variables)
        return True

    def _concerns(self, variables: Variables) -> bool:
        """Return whether all matchConditions hold; one that does not decides, whatever the others end in (KEP-3488)."""
        failed: EvaluationFailedError | None = None
        for _, condition in self._compiled.match_conditions:
            try:
                if self._value(condition, variables) is not True:
                    return False
            except EvaluationFailedError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return True

    def _params(self) -> Sequence[Value]:
        """Return the parameters, each to be judged by; none where the policy is to be passed over without them."""
        kind, reference = self._policy.param_kind, self._policy.param_ref
        if kind is None or reference is None:
            return (_NO_PARAMS,)
        view = self._case.view
        objects = view.config_maps if kind.kind == CONFIG_MAP else view.policy_parameters
        namespace = reference.namespace or self._case.namespace
        if reference.selector is None:
            one = objects.get((namespace, reference.name))
            found = [] if one is None else [one]
        else:
            here = sorted(name for space, name in objects if space == namespace)
            listed = [objects[namespace, name] for name in here]
            found = [raw for raw in listed if reference.selector.matches(labels_in(raw))]
        if found or reference.not_found is ParameterNotFound.ALLOW:
            return found
        what = f"'{reference.name}'" if reference.name else "that its selector names"
        problem = f"its parameters, {kind.kind} {what} in namespace '{namespace}', are not there"
        if not namespace:
            problem = f"`paramRef` must name a `namespace` for an object that is in none: {kind.kind} {what} is in one"
        raise EvaluationFailedError(ROOT.child("spec", "paramRef"), problem)

    def _around(self, param: Value) -> Variables:
        """Return what the expressions read: the words, the parameters, and the variables when they are first read."""
        words = self._words.variables
        self._is_quick = self._may_be_quick(param)
        if param is _NO_PARAMS and not self._compiled.variables:
            return words

        def variable(name: str) -> Value:
            expression = self._compiled.variables.get(name)
            if expression is None:
                return MISSING
            try:
                return self._value(expression, around)
            except EvaluationFailedError as failed:
                raise EvaluationError(failed.problem) from None

        around = LazyMap(words.__getitem__)
        around.update(words)  # those that have been read already: looking them up once more takes longer than all else
        around[PARAMS], around[VARIABLES] = param, LazyMap(variable)
        return around

    def _may_be_quick(self, param: Value) -> bool:
        """Return whether nothing needs to be counted: object and parameters are so small that it cannot take long."""
        words = self._words
        if self._trace is not None or not words.is_ordinary:
            return False
        extent = words.extent
        if param is not _NO_PARAMS:
            widest, longest = extent_of(param)
            if longest > MOST_TEXT_OF_PARAMS:
                return False
            extent = max(extent[0], widest), max(extent[1], longest)
        return self._compiled.is_bounded(extent)

    def _validate(self, validation: CompiledValidation, variables: Variables) -> None:
        try:
            if self._value(validation.expression, variables) is True:
                return
        except EvaluationFailedError as failed:
            self._fail(failed.path, failed.problem, validation.validation.field)
            return
        self.findings.append(self._finding(self._message(validation, variables), validation.validation))

    def _message(self, validation: CompiledValidation, variables: Variables) -> str:
        """Return the message; where its expression gives none that can be shown, the one that is written."""
        said: Value = ""
        if validation.message is not None:
            try:
                said = self._value(validation.message, variables)
            except EvaluationFailedError:
                said = ""
        return message_of(validation.validation, said)

    def _finding(self, message: str, validation: Validation) -> Finding:
        return Finding(
            rule=self._policy.rule,
            severity=self._severity,
            path=place_of(self._case, validation.field),
            message=message,
            fixes=(Fix(f"change the object, or ask those who keep policy '{self._policy.name}' for an exception"),),
            permitted=False,
            status=validation.reason.value,
        )

    def _annotate(self, variables: Variables) -> None:
        for key, expression in self._compiled.audit_annotations:
            try:
                text = annotation_of(self._value(expression, variables))
            except EvaluationFailedError as failed:
                self._fail(failed.path, failed.problem)
                continue
            if text:
                told = self._told.setdefault(f"{self._policy.name}.{key.replace('/', '.')}", [])
                if text not in told:
                    told.append(text)

    @property
    def audit(self) -> Mapping[str, str]:
        """The audit annotations: of several parameters each value once (KEP-3488)."""
        return {name: ", ".join(texts) for name, texts in self._told.items()}

    def _fail(self, place: FieldPath, problem: str, field: FieldPath | None = None) -> None:
        """Go by the failurePolicy: a finding as if a validation did not hold, or a note that nothing was judged."""
        at = place_of(self._case, field)
        if self._policy.failure_policy is FailurePolicy.FAIL:
            self.findings.append(evaluation_problem(self._policy, at, self._severity, place, problem))
        else:
            self._failed = True
            message = f"policy '{self._policy.name}' was passed over, its failurePolicy is Ignore: {problem}"
            self.notes.append(unjudged(at, "policy", message))

    def _value(self, expression: CompiledExpression, variables: Variables) -> Value:
        """Return the value of an expression; EvaluationFailedError in our words."""
        if self._is_quick:
            try:
                return expression.program(variables)
            except EvaluationError as error:
                raise failed_evaluation(expression, str(error)) from None
        if self._trace is None:
            return self._budget.value(expression, variables)
        values: dict[int, list[Value]] = {}

        def observe(node: int, value: Value) -> None:
            values.setdefault(node, []).append(value)

        told = self._policy, expression
        try:
            result = self._budget.value(expression, variables, observe)
        except EvaluationFailedError as failed:
            self._trace(Step(*told, None, failed.problem, _frozen(values)))
            raise
        self._trace(Step(*told, result, "", _frozen(values)))
        return result


def _frozen(values: Mapping[int, list[Value]]) -> Mapping[int, tuple[Value, ...]]:
    return {node: tuple(listed) for node, listed in values.items()}


_NO_PARAMS: Final = object()
