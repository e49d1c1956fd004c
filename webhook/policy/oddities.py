"""What is odd about a policy that works: it can be used, and hardly says what was meant (VAP's `typeChecking`)."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Final

from webhook.cel.syntax import Ast, Call, Comprehension, Expr, Ident, Select, children, walk
from webhook.cel.types import Kind
from webhook.core.claims import CLAIM, FLAT_VERSION, GROUP, TEMPLATE
from webhook.core.devices import CLASS
from webhook.core.finding import Finding, Fix, Replacement, Severity, Span
from webhook.core.policies import ClaimPolicy, PolicyException, PolicyResource
from webhook.core.shapes import Shape, shape_of
from webhook.core.suggest import nearest
from webhook.policy.compile import CompiledExpression, CompiledPolicy
from webhook.policy.judge import ENDING_DAYS
from webhook.policy.vocabulary import OPTIONAL_FIELDS, REQUEST

MAYBE_ABSENT: Final = "policy-maybe-absent"
UNKNOWN_FIELD: Final = "policy-unknown-field"
EXCEPTION: Final = "policy-exception"
_KINDS: Final = {
    PolicyResource.CLAIMS: CLAIM,
    PolicyResource.TEMPLATES: TEMPLATE,
    PolicyResource.DEVICE_CLASSES: CLASS,
}
_VERSIONS: Final = (f"{GROUP}/v1", FLAT_VERSION)
_OBJECTS: Final = ("object", "oldObject")

Shapes = tuple[Shape, ...]
"""The shapes that a value may have; none where nothing is known of it."""


def oddities(compiled: CompiledPolicy, today: date) -> Iterator[Finding]:
    """Yield warnings about a policy; of one that does not compile, about its exceptions alone."""
    yield from exceptions(compiled.policy, today)
    seen: set[tuple[object, ...]] = set()
    for expression in compiled.expressions():
        for finding in (*_maybe_absent(compiled, expression), *_unknown_fields(compiled.policy, expression)):
            key = (finding.path, finding.message)
            if key not in seen:
                seen.add(key)
                yield finding


def exceptions(policy: ClaimPolicy, today: date) -> Iterator[Finding]:
    """Yield the exceptions that have ended."""
    for exception in policy.exceptions:
        if exception.until is not None and exception.until < today:
            message = f"the exception ended on {exception.until}, and holds for nobody any more"
            fix = Fix("remove it, or agree on another day")
            yield Finding(EXCEPTION, Severity.WARN, exception.path.child("until"), message, (fix,))


def ending(policy: ClaimPolicy, today: date) -> Iterator[PolicyException]:
    """Yield the exceptions that end within two weeks."""
    for exception in policy.exceptions:
        if exception.until is not None and 0 <= (exception.until - today).days <= ENDING_DAYS:
            yield exception


# Fields of our own objects that may be absent


def _maybe_absent(compiled: CompiledPolicy, expression: CompiledExpression) -> Iterator[Finding]:
    """Yield where a field is read that may be absent and that nothing in the policy asks for."""
    asked = {text for one in compiled.expressions() for text in _asked(one.ast)}
    for node in walk(expression.ast.root):
        if not isinstance(node, Select) or node.test_only or node.operand.type.kind != Kind.STRUCT:
            continue
        if node.field not in OPTIONAL_FIELDS.get(node.operand.type.name, ()):
            continue
        text = expression.source.text[node.start : node.end]
        name = text.rpartition(".")[0].rpartition(".")[2]
        if text in asked or f"{name}.{node.field}" in asked:
            continue
        fix = Fix(f"ask first: has({text}) && ..., or write `.?{node.field}` and say what holds without it")
        if node.operand.type.name == REQUEST:
            fix = Fix(f"a request may have several alternatives: say it of each of {name}.alternatives")
        start = node.field_pos if node.field_pos >= 0 else node.start
        yield Finding(
            rule=MAYBE_ABSENT,
            severity=Severity.WARN,
            path=expression.source.path,
            message=f"`{text}` may be absent, and reading it is an error then",
            fixes=(fix,),
            source=expression.source.text,
            span=Span(start, start + len(node.field)),
            why=f"`failurePolicy` is {compiled.policy.failure_policy.value}",
        )


def _asked(ast: Ast) -> Iterator[str]:
    """Yield what an expression asks for by has()."""
    for node in walk(ast.root):
        if isinstance(node, Select) and node.test_only:
            yield ast.source[node.operand.start : node.operand.end] + f".{node.field}"


# Fields of the object that its kind has not


def _unknown_fields(policy: ClaimPolicy, expression: CompiledExpression) -> Iterator[Finding]:
    kinds = [_KINDS.get(resource) for resource in policy.match.resources]
    if None in kinds:
        return  # pods and workloads have more fields than are known here
    shapes = tuple(shape_of(version, kind) for version in _VERSIONS for kind in kinds if kind is not None)
    named = ", ".join(sorted({kind for kind in kinds if kind is not None}))
    for node, known in _misread(expression.ast.root, dict.fromkeys(_OBJECTS, shapes)):
        start = node.field_pos if node.field_pos >= 0 else node.start
        span = Span(start, start + len(node.field))
        near = nearest(node.field, known)
        fix = Fix(f"it has {', '.join(f'`{name}`' for name in sorted(known))}")
        if near:
            fix = Fix(f"did you mean `{near[0]}`?", replacements=(Replacement(span, near[0]),))
        yield Finding(
            rule=UNKNOWN_FIELD,
            severity=Severity.WARN,
            path=expression.source.path,
            message=f"no {named} has a field `{node.field}` here",
            fixes=(fix,),
            source=expression.source.text,
            span=span,
        )


def _misread(root: Expr, scope: Mapping[str, Shapes]) -> Iterator[tuple[Select, tuple[str, ...]]]:
    """Yield each reading of a field that none of the shapes has, with the fields that there are."""
    if isinstance(root, Comprehension):
        yield from _misread(root.iter_range, scope)
        elements = _elements(_shapes(root.iter_range, scope))
        inside = {**scope, root.iter_var: elements if root.iter_var2 is None else ()}
        if root.iter_var2 is not None:
            inside[root.iter_var2] = elements
        for part in (root.accumulator_init, root.condition, root.step, root.result):
            yield from _misread(part, inside)
        return
    if isinstance(root, Select):
        shapes = _shapes(root.operand, scope)
        structs = [shape for shape in shapes if isinstance(shape, dict)]
        if structs and len(structs) == len(shapes) and not any(root.field in struct for struct in structs):
            yield root, tuple(sorted({name for struct in structs for name in struct}))
    for child in children(root):
        yield from _misread(child, scope)


def _shapes(node: Expr, scope: Mapping[str, Shapes]) -> Shapes:
    if isinstance(node, Ident):
        return scope.get(node.name, ())
    if isinstance(node, Select) and not node.test_only:
        structs = [shape for shape in _shapes(node.operand, scope) if isinstance(shape, dict)]
        return tuple(struct[node.field] for struct in structs if node.field in struct)
    if isinstance(node, Call) and node.target is None and node.function == "_[_]":
        return _elements(_shapes(node.args[0], scope))
    return ()


def _elements(shapes: Shapes) -> Shapes:
    return tuple(shape[0] for shape in shapes if isinstance(shape, tuple))
