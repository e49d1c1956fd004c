"""Node labels as device selectors: only what is exactly equivalent is translated (contract 6.5)."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from webhook.core.mappings import LABEL_VALUE, LegacyMapping
from webhook.core.raw import RawObject, object_in
from webhook.core.selector_template import SelectorTemplate
from webhook.core.without_counterpart import NoCounterpart, Sayer

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_MOST_BYTES = 10_240
"""The longest selector that the API server accepts (CELSelectorExpressionMaxLength)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One demand on a node's label; `translatable` is False where it is no plain And of labels and values."""

    label: str
    operator: str
    values: tuple[str, ...]
    translatable: bool = True


@dataclass(frozen=True, slots=True)
class Translation:
    """Selectors for each condition that has an exact counterpart; `kept` are those on mapped labels that have none."""

    selectors: Mapping[Condition, tuple[str, ...]]
    kept: tuple[Condition, ...]


def conditions(node_selector: RawObject, node_affinity: RawObject) -> tuple[Condition, ...]:
    """Return what a pod demands of node labels, sorted entries of nodeSelector first."""
    found = [
        Condition(label, "In", (value,)) for label, value in sorted(node_selector.items()) if isinstance(value, str)
    ]
    required = object_in(node_affinity, REQUIRED)
    terms = [term for term in _list(required, "nodeSelectorTerms") if isinstance(term, dict)]
    for term in terms:
        found.extend(_expressions(term, translatable=len(terms) == 1))
    for weighted in _list(node_affinity, PREFERRED):
        found.extend(_expressions(object_in(weighted, "preference"), translatable=False))
    return tuple(found)


def _expressions(term: RawObject, *, translatable: bool) -> Iterator[Condition]:
    for expression in _list(term, "matchExpressions"):
        if condition := condition_of(expression):
            yield Condition(condition.label, condition.operator, condition.values, translatable)


def condition_of(expression: object) -> Condition | None:
    """Return one entry of `matchExpressions`; None where it is not written as one."""
    if not isinstance(expression, dict):
        return None
    label, operator, values = expression.get("key"), expression.get("operator"), expression.get("values") or []
    if not isinstance(label, str) or not isinstance(operator, str) or not isinstance(values, list):
        return None
    if not all(isinstance(value, str) for value in values):
        return None
    return Condition(label, operator, tuple(values))


def translate(wanted: Sequence[Condition], mapping: LegacyMapping) -> Translation:
    """Return the selectors that say of a device what the conditions say of its node."""
    selectors: dict[Condition, tuple[str, ...]] = {}
    kept: list[Condition] = []
    for condition in wanted:
        if any(map(partial(is_meant, condition), mapping.without_counterpart)):
            kept.append(condition)
            continue
        templates = [entry.selector for entry in mapping.node_labels if entry.label == condition.label]
        if not templates:
            continue
        expressions = tuple(_expression(template, condition) for template in templates)
        if all(expressions):
            selectors[condition] = expressions
        else:
            kept.append(condition)
    return Translation(selectors, tuple(kept))


def is_meant(condition: Condition, entry: NoCounterpart) -> bool:
    """Return whether a demand on a node label is one that a mapping says no claim can make."""
    return entry.sayer is Sayer.NODE_LABEL and entry.means(condition.label, condition.values)


def _expression(template: SelectorTemplate, condition: Condition) -> str:
    """Return the selector for a condition; empty where nothing is exactly equivalent."""
    if not condition.translatable or not condition.values or condition.operator not in ("In", "NotIn"):
        return ""
    each = [template.filled({LABEL_VALUE: value}) for value in condition.values]
    any_of = each[0] if len(each) == 1 else " || ".join(f"({expression})" for expression in each)
    whole = any_of if condition.operator == "In" else f"!({any_of})"
    return whole if len(whole.encode()) <= _MOST_BYTES else ""


def taken_out(
    node_selector: RawObject, node_affinity: RawObject, dropped: Collection[Condition]
) -> tuple[RawObject, RawObject]:
    """Return what of both the conditions stand for, in the form of both: what is recorded of dropped labels."""
    selector = {label: value for label, value in node_selector.items() if _is_dropped(label, value, dropped)}
    gone = [entry for entry in _expressions_of_one_term(node_affinity) if condition_of(entry) in dropped]
    return selector, {REQUIRED: {"nodeSelectorTerms": [{"matchExpressions": gone}]}} if gone else {}


def without(
    node_selector: RawObject, node_affinity: RawObject, dropped: Collection[Condition]
) -> tuple[RawObject, RawObject]:
    """Return both without the conditions.

    A term without any demand would match no node at all, so the requirement goes with its last expression.
    """
    selector = {label: value for label, value in node_selector.items() if not _is_dropped(label, value, dropped)}
    expressions = _expressions_of_one_term(node_affinity)
    left = [entry for entry in expressions if condition_of(entry) not in dropped]
    if len(left) == len(expressions):
        return selector, node_affinity
    required = object_in(node_affinity, REQUIRED)
    term = _list(required, "nodeSelectorTerms")[0]
    affinity = {key: value for key, value in node_affinity.items() if key != REQUIRED}
    if left or term.get("matchFields"):
        affinity[REQUIRED] = {**required, "nodeSelectorTerms": [{**term, "matchExpressions": left}]}
    return selector, affinity


def _is_dropped(label: str, value: object, dropped: Collection[Condition]) -> bool:
    return isinstance(value, str) and Condition(label, "In", (value,)) in dropped


def _expressions_of_one_term(node_affinity: RawObject) -> list[Any]:
    terms = _list(object_in(node_affinity, REQUIRED), "nodeSelectorTerms")
    return _list(terms[0], "matchExpressions") if len(terms) == 1 and isinstance(terms[0], dict) else []


def _list(raw: RawObject, name: str) -> list[Any]:
    value = raw.get(name)
    return value if isinstance(value, list) else []
