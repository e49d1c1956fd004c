"""cel-syntax, cel-type, cel-result, cel-cost, cel-length: what the API server's compiler refuses, in our words."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from webhook.cel.compile import Diagnostic, DiagnosticKind, Verdict
from webhook.core.claims import Selector
from webhook.core.cluster import ClusterView
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.finding import Edit, Finding, Fix, Reason, Severity, Span
from webhook.core.mappings import LABEL_VALUE, LegacyMapping, MainResource
from webhook.core.quotas import DeviceQuota
from webhook.core.selector_template import SelectorTemplate
from webhook.inventory.case import Case, compiled_new
from webhook.inventory.names import drivers_of
from webhook.inventory.units import with_units

NAMES = {
    DiagnosticKind.SYNTAX: "cel-syntax",
    DiagnosticKind.TYPE: "cel-type",
    DiagnosticKind.RESULT: "cel-result",
    DiagnosticKind.COST: "cel-cost",
    DiagnosticKind.LENGTH: "cel-length",
}
_ANY_TEXT = "x"
_REASONS = {DiagnosticKind.COST: Reason.FORBIDDEN, DiagnosticKind.LENGTH: Reason.TOO_LONG}


def check(case: Case) -> Iterator[Finding]:
    """Yield what keeps each selector from compiling.

    Refused is what every setting of the gates that are not known refuses; under a server that is newer or older
    than Drawbridge knows it is only a warning (contract 4).
    """
    for selector, alternative in case.selectors():
        if case.expired():
            return
        if compiled_new(selector.expression, case.view.server).verdict is not Verdict.OK:
            drivers = drivers_of(case.view, alternative, case.expired) or ()
            for finding in _of_selector(selector, case.view, next(iter(drivers)) if len(drivers) == 1 else ""):
                yield replace(finding, fixes=tuple(_with_units(finding.fixes, case.view)))


def _with_units(fixes: Iterable[Fix], view: ClusterView) -> Iterator[Fix]:
    """Yield the fixes, before each that has a bare amount the one with the unit that it lacks."""
    for fix in fixes:
        for edit in fix.edits:
            text = with_units(view, edit.value) if isinstance(edit.value, str) else None
            if text is not None:
                yield Fix(f"write {text}, with the unit that devices have", (Edit(edit.path, text),))
        yield fix


def of_quota(quota: DeviceQuota, view: ClusterView) -> Iterator[Finding]:
    """Yield what keeps the selectors of a quota's limits from compiling: such a limit would concern nobody."""
    for limit in quota.limits:
        if limit.match.selector is not None:
            yield from _of_selector(limit.match.selector, view, limit.match.driver)


def of_mapping(mapping: LegacyMapping, view: ClusterView) -> Iterator[Finding]:
    """Yield what keeps a mapping's selectors from compiling, once filled with each of its `values` and any other."""
    spec = ROOT.child("spec")
    for resource in mapping.resources:
        if isinstance(resource, MainResource) and resource.selector is not None:
            groups = resource.pattern.groups() if resource.pattern else frozenset()
            filled = [dict.fromkeys(groups, text) for text in (*resource.values.values(), _ANY_TEXT)]
            yield from _of_template(resource.selector, filled, resource.path.child("selector"), view)
    for position, label in enumerate(mapping.node_labels):
        at = spec.child("nodeLabels").index(position).child("selector")
        yield from _of_template(label.selector, [{LABEL_VALUE: _ANY_TEXT}], at, view)


def _of_template(
    template: SelectorTemplate, filled: Iterable[Mapping[str, str]], path: FieldPath, view: ClusterView
) -> Iterator[Finding]:
    """Yield what is wrong with a template for the first values with which something is."""
    for values in filled:
        found = tuple(_of_selector(Selector(template.filled(values), path), view, ""))
        for finding in found:
            shown = ", ".join(f"'{{{name}}}' as '{text}'" for name, text in values.items() if text != _ANY_TEXT)
            why = f"with {shown}" if shown else ""
            fixes = tuple(replace(fix, edits=()) for fix in finding.fixes)  # the template is not what was compiled
            yield replace(finding, why=why, fixes=fixes)
        if found:
            return


def _of_selector(selector: Selector, view: ClusterView, driver: str) -> Iterator[Finding]:
    """Yield what keeps one selector from compiling; `driver` is whose devices it is about, where that is known."""
    compiled = compiled_new(selector.expression, view.server)
    severity = Severity.DENY if view.server.exact else Severity.WARN
    if compiled.verdict is not Verdict.OK:
        for diagnostic in compiled.diagnostics_for(driver) if driver else compiled.diagnostics:
            yield explained(selector, diagnostic, severity)


def explained(selector: Selector, diagnostic: Diagnostic, severity: Severity) -> Finding:
    """Return the finding of one thing that is wrong with an expression."""
    shown = diagnostic.kind is not DiagnosticKind.LENGTH
    return Finding(
        rule=NAMES[diagnostic.kind],
        severity=severity,
        path=selector.path,
        message=diagnostic.message,
        fixes=tuple(
            Fix(fix.message, () if fix.expression is None else (Edit(selector.path, fix.expression),))
            for fix in diagnostic.fixes
        ),
        source=selector.expression if shown else "",
        span=Span(diagnostic.start, diagnostic.end) if shown else None,
        reason=_REASONS.get(diagnostic.kind, Reason.INVALID),
        reference_text=diagnostic.reference_text,
    )
