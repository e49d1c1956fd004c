"""selector-wrong-type: an attribute or capacity is used as a value of a type that it never has."""

from collections.abc import Iterator

from webhook.cel.operands import STRING, VERSION, Use
from webhook.cel.places import ATTRIBUTES
from webhook.cel.retyping import retyped
from webhook.cel.syntax import EQUALS, GREATER, GREATER_EQUALS, IN, LESS, LESS_EQUALS, NOT_EQUALS, Literal
from webhook.core.devices import DeviceClass
from webhook.core.finding import Finding, Fix, Replacement, Severity, Span
from webhook.inventory.case import Case
from webhook.inventory.misfits import Misfit, is_about_lists, type_misfits
from webhook.inventory.units import with_units

NAME = "selector-wrong-type"
_COMPARISONS = frozenset({EQUALS, NOT_EQUALS, LESS, LESS_EQUALS, GREATER, GREATER_EQUALS, IN})
_MOST_FIXES = 3


def check(case: Case) -> Iterator[Finding]:
    for misfit in type_misfits(case):
        if misfit.universal and is_about_lists(misfit.use):
            continue  # selector-nested-value says so
        call, source = misfit.use.call, misfit.selector.expression
        yield Finding(
            rule=NAME,
            severity=_severity(case, misfit),
            path=misfit.selector.path,
            message=_message(misfit),
            why=_why(misfit),
            fixes=tuple(_fixes(case, misfit, source))[:_MOST_FIXES],
            source=source,
            span=Span(call.start, call.end),
        )


def _severity(case: Case, misfit: Misfit) -> Severity:
    """Return how sure it is: what is always true only misleads, and what is known of a driver may be out of date."""
    if _always_holds(misfit) or not misfit.sure:
        return Severity.WARN
    if not misfit.universal and isinstance(case.subject, DeviceClass):
        return Severity.WARN
    return Severity.DENY


def _always_holds(misfit: Misfit) -> bool:
    """Return whether it is true wherever the value is there: `!=` of unlike values, unless comparing is an error."""
    use = misfit.use
    return use.call.function == NOT_EQUALS and not (misfit.known == {VERSION} and use.call.args[0] is use.node)


def _message(misfit: Misfit) -> str:
    use, place = misfit.use, misfit.use.place
    word = "attribute" if place.field == ATTRIBUTES else "capacity"
    is_what = f"{word} `{place.name}` is {_either(misfit.known)}"
    if isinstance(use.other, Literal) and use.other.value is None:
        return f"{is_what} and never null"
    if use.call.function in _COMPARISONS:
        given = _either(use.types)
        return (
            f"{is_what}, and never equals {given}" if _is_equality(use) else f"{is_what}, and is not ordered as {given}"
        )
    return f"{is_what}, on which `{use.call.function.strip('_!@')}` does not work"


def _is_equality(use: Use) -> bool:
    return use.call.function in (EQUALS, NOT_EQUALS, IN)


def _either(types: frozenset[str]) -> str:
    named = [f"{'an' if name == 'int' else 'a'} {name}" for name in sorted(types) if name != "other"]
    if not named:
        return "such a value"
    return named[0] if len(named) == 1 else f"{', '.join(named[:-1])} or {named[-1]}"


def _why(misfit: Misfit) -> str:
    if _always_holds(misfit):
        return "values of unlike types are never equal, so this is true of every device that has it"
    if VERSION in misfit.known and STRING in misfit.use.types and misfit.use.place.field == ATTRIBUTES:
        return "a version used as a string is an error, which stops the pod on every node with such a device"
    return "values of unlike types are never equal, and anything else is an error"


def _fixes(case: Case, misfit: Misfit, source: str) -> Iterator[Fix]:
    offered = list(retyped(misfit.use, source, misfit.known))[:_MOST_FIXES]
    for change in offered:
        text = with_units(case.view, source[: change.start] + change.text + source[change.end :])
        if text is not None:
            right = text[change.start : len(text) - len(source) + change.end]
            replacement = Replacement(Span(change.start, change.end), right)
            yield Fix(f"write {right}, with the unit that devices have", replacements=(replacement,))
        yield Fix(change.message, replacements=(Replacement(Span(change.start, change.end), change.text),))
    if not offered:
        yield Fix(f"use `{misfit.use.place.name}` as {_either(misfit.known)}")
