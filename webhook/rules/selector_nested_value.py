"""selector-nested-value: something is read of an attribute's value, which is single."""

from collections.abc import Iterator

from webhook.cel.operands import Nesting, Use
from webhook.cel.places import ATTRIBUTES
from webhook.cel.syntax import IN, Literal
from webhook.core.claims import Selector
from webhook.core.finding import Finding, Fix, Replacement, Severity, Span
from webhook.inventory.case import Case
from webhook.inventory.knowledge import knowledge_of
from webhook.inventory.misfits import is_about_lists, type_misfits
from webhook.inventory.reading import lists_are_possible, reading_of

NAME = "selector-nested-value"
# The one-of fields of `ResourceSlice.spec.devices[].attributes`, which selectors do not see, and what people call them.
_BOXES = frozenset({"bool", "int", "string", "version", "value"})


def check(case: Case) -> Iterator[Finding]:
    for selector, _, ast in case.trees():
        for nesting in reading_of(ast, case.view.server).nestings:
            if not (nesting.indexed and lists_are_possible(case.view.server)) and not _is_known_domain(nesting, case):
                message = _message(nesting, selector.expression)
                fixes = tuple(_fixes(nesting, selector.expression))
                yield _finding(selector, message, fixes, Span(nesting.outer.start, nesting.outer.end))
    for misfit in type_misfits(case):
        use = misfit.use
        if misfit.universal and is_about_lists(use):
            message = f"attribute `{use.place.name}` has a single value and is not a list"
            fixes = tuple(_as_equality(use, misfit.selector.expression))
            yield _finding(misfit.selector, message, fixes, Span(use.call.start, use.call.end))


def _is_known_domain(nesting: Nesting, case: Case) -> bool:
    """Return whether a known domain is written as a path, which selector-unknown-domain says."""
    labels = (nesting.place.domain, nesting.place.name, *(key or "" for key in nesting.keys))
    knowledge = knowledge_of(case.view)
    return nesting.dotted and any(
        knowledge.domain(".".join(labels[:count])) is not None for count in range(2, len(labels) + 1)
    )


def _finding(selector: Selector, message: str, fixes: tuple[Fix, ...], span: Span) -> Finding:
    return Finding(
        rule=NAME,
        severity=Severity.DENY,
        path=selector.path,
        message=message,
        why="a value is a bool, an int, a string or a version; reading something of it is an error on every device",
        fixes=fixes,
        source=selector.expression,
        span=span,
    )


def _message(nesting: Nesting, source: str) -> str:
    if _joined(nesting) is not None:
        return f"a domain with dots must be quoted in `{source[nesting.outer.start : nesting.outer.end]}`"
    word = "attribute" if nesting.place.field == ATTRIBUTES else "capacity"
    return f"{word} `{nesting.place.name}` has a single value; nothing is nested in it"


def _joined(nesting: Nesting) -> tuple[str, str] | None:
    """Return domain and name of `device.attributes.gpu.example.com.type`; None where something else is meant."""
    if not nesting.dotted or nesting.keys[-1] is None or nesting.keys[-1] in _BOXES:
        return None
    parts = (nesting.place.domain, nesting.place.name, *(key or "" for key in nesting.keys))
    return ".".join(parts[:-1]), parts[-1]


def _fixes(nesting: Nesting, source: str) -> Iterator[Fix]:
    outer, node = nesting.outer, nesting.node
    span = Span(outer.start, outer.end)
    joined = _joined(nesting)
    if joined is not None:
        domain, name = joined
        text = f"device.{nesting.place.field}['{domain}'].{name}"
        yield Fix(f"write {text}", replacements=(Replacement(span, text),))
        return
    text = source[node.start : node.end]
    yield Fix(f"write {text}", replacements=(Replacement(span, text),))


def _as_equality(use: Use, source: str) -> Iterator[Fix]:
    call, text = use.call, source[use.node.start : use.node.end]
    span = Span(call.start, call.end)
    if call.function == IN and isinstance(call.args[0], Literal):
        value = source[call.args[0].start : call.args[0].end]
        yield Fix(f"write {text} == {value}", replacements=(Replacement(span, f"{text} == {value}"),))
        if isinstance(call.args[0].value, str):
            part = f"{text}.contains({value})"
            yield Fix(f"for a part of it, write {part}", replacements=(Replacement(span, part),))
    else:
        yield Fix(f"compare `{use.place.name}` itself")
