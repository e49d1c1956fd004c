"""Fixes that have been tried: a fix that a program can apply compiles, and the request then matches (contract 3)."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, product

from webhook.cel.compile import Verdict
from webhook.core.claims import Alternative
from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Edit, Finding, Fix, Severity
from webhook.core.mending import mended
from webhook.inventory.case import Case, compiled_new
from webhook.inventory.inventory import inventory_of
from webhook.inventory.matching import accepting_texts

_MOST_TRIALS = 27
_MOST_AGAIN = 3
_CLASS = "deviceClassName"
_Edits = Mapping[FieldPath, object]
Again = Callable[[Case], Iterable[Finding]]
# Findings whose fixes put something right, and give nothing up that was asked for.
_SLIP = re.compile(r"selector-(unknown|wrong|bad|nested)-.*|mig-unknown-.*|cel-.*")


def with_tried_edits(case: Case, findings: Iterable[Finding], again: Again | None = None) -> tuple[Finding, ...]:
    """Return the findings, those on a selector with the one edit that mends it whole, where it was tried and helps.

    Of the fixes that a rule states for one finding, best first, the first ones that help together are taken, and come
    first. Where none does, the mended selector is judged `again`: one slip may have hidden another. Edits that do not
    compile, or with which the request matches no device of its class, are taken away.
    """
    found = tuple(findings)
    selectors = {selector.path: alternative for selector, alternative in case.selectors()}
    fields = {path: [one for one in found if one.path == path] for path in dict.fromkeys(f.path for f in found)}
    chosen = {path: _edits(path, together) for path, together in fields.items() if path in selectors}
    mended_fields: dict[FieldPath, list[Finding]] = {}
    for path in chosen:
        if case.expired():
            break
        others = {edit.path: edit.value for field, more in chosen.items() if field != path for edit in more}
        for edits, variant in _trials(case, path, fields[path], again):
            if edits and _helps(case, selectors[path], path, {**others, **{e.path: e.value for e in edits}}):
                chosen[path] = edits
                mended_fields[path] = [_with_first_edits(finding, edits) for finding in variant]
                break
    stripped = {path: [_without_edits(one) for one in fields[path]] for path in chosen if path not in mended_fields}
    written = {**fields, **stripped, **mended_fields}
    return tuple(finding for together in written.values() for finding in together)


def _trials(
    case: Case, path: FieldPath, findings: Sequence[Finding], again: Again | None
) -> Iterator[tuple[tuple[Edit, ...], list[Finding]]]:
    """Yield edits to try, each with the findings in whose order of fixes it is made; then those of a second look."""
    variants = [(_edits(path, variant), variant) for variant in islice(_variants(findings), _MOST_TRIALS)]
    yield from variants
    for edits, variant in variants[: _MOST_AGAIN if again is not None else 0]:
        text = next((edit.value for edit in edits if edit.path == path), None)
        if again is not None and isinstance(text, str) and compiled_new(text, case.view.server).verdict is Verdict.OK:
            more = _further(path, again(case.with_text(path, text)))
            yield (*more, *(edit for edit in edits if edit.path not in {one.path for one in more})), variant


def _further(path: FieldPath, findings: Iterable[Finding]) -> tuple[Edit, ...]:
    """Return the edits of what is found in a mended selector; none where that gives up what was asked for."""
    spoken = [one for one in findings if one.path == path and one.severity is not Severity.INFO]
    edits = [one.fixes[0].edits if one.fixes else () for one in spoken]
    if not spoken or not all(edits) or not all(_SLIP.fullmatch(one.rule) or _is_of_class(one) for one in spoken):
        return ()
    return edits[0]


def _is_of_class(finding: Finding) -> bool:
    """Return whether all that the first fix changes is the class that is asked for."""
    return all(edit.path.steps[-1] == _CLASS for edit in finding.fixes[0].edits)


def _variants(findings: Sequence[Finding]) -> Iterator[list[Finding]]:
    """Yield the findings with one fix of each at the front, the stated order first."""
    for picks in product(*(range(max(1, len(finding.fixes))) for finding in findings)):
        yield [_picked(finding, pick) for finding, pick in zip(findings, picks, strict=True)]


def _picked(finding: Finding, pick: int) -> Finding:
    if pick == 0:
        return finding
    fixes = finding.fixes
    return replace(finding, fixes=(fixes[pick], *fixes[:pick], *fixes[pick + 1 :]))


def _edits(path: FieldPath, findings: Sequence[Finding]) -> tuple[Edit, ...]:
    """Return the edits that apply the first fix of every finding on a field; none where they do not go together."""
    first = [finding.fixes[0] if finding.fixes else Fix("") for finding in findings]
    stated = tuple(dict.fromkeys(edit for fix in first for edit in fix.edits))
    if any(edit.value is None and edit.path == path.parent().parent() for edit in stated):
        return tuple(edit for edit in stated if edit.path != path)  # the selector goes, and all that is wrong with it
    if any(edit.path == path for edit in stated):
        return tuple({edit.path: edit for edit in stated}.values())
    pairs = zip(findings, first, strict=True)
    texts = [one for one, fix in pairs if not fix.edits and (fix.replacements or one.severity is not Severity.INFO)]
    text = mended(texts).get(path)
    if texts and text is None:
        return ()
    return stated if text is None else (Edit(path, text), *stated)


def _with_first_edits(finding: Finding, edits: tuple[Edit, ...]) -> Finding:
    if not finding.fixes:
        return finding
    rest = (replace(fix, edits=()) for fix in finding.fixes[1:])
    return replace(finding, fixes=(replace(finding.fixes[0], edits=edits), *rest))


def _without_edits(finding: Finding) -> Finding:
    return replace(finding, fixes=tuple(replace(fix, edits=()) for fix in finding.fixes))


def _helps(case: Case, alternative: Alternative | None, path: FieldPath, edits: _Edits) -> bool:
    text = edits.get(path)
    if isinstance(text, str) and compiled_new(text, case.view.server).verdict is not Verdict.OK:
        return False
    return alternative is None or _matches_a_device(case, alternative, edits)


def _matches_a_device(case: Case, alternative: Alternative, edits: _Edits) -> bool:
    """Return whether the mended request matches a device of its class; true where the class has none."""
    name = edits.get(alternative.path.child(_CLASS), alternative.device_class_name)
    device_class = case.view.device_classes.get(str(name))
    if device_class is None:
        return True
    inventory = inventory_of(case.view)
    of_class = [selector.expression for selector in device_class.selectors]
    if not accepting_texts(case.view, inventory, of_class, case.expired):
        return True
    left = (
        selector for selector in alternative.selectors if edits.get(selector.path.parent().parent(), "") is not None
    )
    own = [str(edits.get(selector.path, selector.expression)) for selector in left]
    return bool(accepting_texts(case.view, inventory, [*of_class, *own], case.expired))
