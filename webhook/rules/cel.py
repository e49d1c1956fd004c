"""cel-syntax, cel-type, cel-result, cel-cost, cel-length: what the API server's compiler refuses, in our words."""

from collections.abc import Iterator

from webhook.cel.compile import Diagnostic, DiagnosticKind, Verdict
from webhook.core.claims import Selector
from webhook.core.finding import Edit, Finding, Fix, Reason, Severity, Span
from webhook.inventory.case import Case, compiled_new
from webhook.inventory.names import drivers_of

NAMES = {
    DiagnosticKind.SYNTAX: "cel-syntax",
    DiagnosticKind.TYPE: "cel-type",
    DiagnosticKind.RESULT: "cel-result",
    DiagnosticKind.COST: "cel-cost",
    DiagnosticKind.LENGTH: "cel-length",
}
_REASONS = {DiagnosticKind.COST: Reason.FORBIDDEN, DiagnosticKind.LENGTH: Reason.TOO_LONG}


def check(case: Case) -> Iterator[Finding]:
    """Yield what keeps each selector from compiling.

    Refused is what every setting of the gates that are not known refuses; under a server that is newer or older
    than Drawbridge knows it is only a warning (contract 4).
    """
    severity = Severity.DENY if case.view.server.exact else Severity.WARN
    for selector, alternative in case.selectors():
        if case.expired():
            return
        compiled = compiled_new(selector.expression, case.view.server)
        if compiled.verdict is not Verdict.OK:
            drivers = drivers_of(case.view, alternative) or ()
            known = next(iter(drivers)) if len(drivers) == 1 else ""
            for diagnostic in compiled.diagnostics_for(known) if known else compiled.diagnostics:
                yield _finding(selector, diagnostic, severity)


def _finding(selector: Selector, diagnostic: Diagnostic, severity: Severity) -> Finding:
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
