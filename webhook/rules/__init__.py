"""The rules, in the tuples that each endpoint runs, and the one way to run them."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from webhook.cel.compile import Verdict
from webhook.core.claims import Alternative, Claim
from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Finding, Severity, in_order, unjudged
from webhook.core.mending import mended, with_edits
from webhook.inventory.case import Case, compiled_new
from webhook.inventory.inventory import inventory_of
from webhook.inventory.matching import accepting_texts
from webhook.rules import (
    cel,
    invalid_field,
    not_judged,
    request_capacity,
    selector_unknown_attribute,
    selector_unknown_capacity,
    selector_unknown_domain,
)

Check = Callable[[Case], Iterator[Finding]]

# What /mutate/claims refuses before the API server does, in our words.
COMPILING: tuple[Check, ...] = (cel.check,)
# What the API server leaves unchecked, and needs no ledger.
SCHEMA: tuple[Check, ...] = (
    selector_unknown_domain.check,
    selector_unknown_attribute.check,
    selector_unknown_capacity.check,
    request_capacity.check,
    not_judged.check,
)
# What could not be read: the server leaves it to the API server, a command refuses it.
ON_SERVER: tuple[Check, ...] = (not_judged.wrong_types,)
OFFLINE: tuple[Check, ...] = (invalid_field.check,)
# Not to be lowered below warn on the server (contract 4, marked *).
GUARDED = frozenset({"quota-exceeded", "quota-unbounded"})


@dataclass(frozen=True, slots=True)
class Severities:
    """Severities set by `--rule ID=deny|warn|info|off`; None is off."""

    by_rule: Mapping[str, Severity | None] = field(default_factory=dict)

    def applied(self, findings: Iterable[Finding], *, server: bool = True) -> Iterator[Finding]:
        for finding in findings:
            if finding.rule not in self.by_rule:
                yield finding
                continue
            wanted = self.by_rule[finding.rule]
            if server and finding.rule in GUARDED and wanted in (None, Severity.INFO):
                wanted = Severity.WARN
            if wanted is not None:
                yield replace(finding, severity=wanted)


def judged(case: Case, checks: Iterable[Check]) -> tuple[Finding, ...]:
    """Return what the checks find, in the order of contract 7.6, fixes composed and tried."""
    findings = [finding for check in checks for finding in check(case)]
    if case.expired():
        path = case.subject.requests_path() if isinstance(case.subject, Claim) else FieldPath(("spec",))
        findings.append(unjudged(path, "time", "the time for this review was over before everything was judged"))
    return in_order(with_tried_edits(case, findings))


def with_tried_edits(case: Case, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return the findings, those on a selector with the one edit that mends it whole, where it was tried and helps.

    An edit that does not compile, or with which the request matches no device of its class, is taken away: a fix that
    a program can apply must help (contract 3).
    """
    found = tuple(findings)
    selectors = {selector.path: alternative for selector, alternative in case.selectors()}
    texts = {path: text for path, text in mended(found).items() if path in selectors}
    for finding in found:
        for edit in finding.fixes[0].edits if finding.fixes else ():
            if edit.path in selectors and isinstance(edit.value, str):
                texts[edit.path] = edit.value
    good = {path: text for path, text in texts.items() if _helps(case, selectors[path], path, texts)}
    kept = (
        finding
        if finding.path in good or finding.path not in selectors
        else replace(finding, fixes=tuple(replace(fix, edits=()) for fix in finding.fixes))
        for finding in found
    )
    return with_edits(kept, good)


def _helps(case: Case, alternative: Alternative | None, path: FieldPath, texts: Mapping[FieldPath, str]) -> bool:
    if compiled_new(texts[path], case.view.server).verdict is not Verdict.OK:
        return False
    return alternative is None or _matches_a_device(case, alternative, texts)


def _matches_a_device(case: Case, alternative: Alternative, texts: Mapping[FieldPath, str]) -> bool:
    """Return whether the mended request matches a device of its class; true where the class has none."""
    device_class = case.view.device_classes.get(alternative.device_class_name)
    if device_class is None:
        return True
    inventory = inventory_of(case.view)
    of_class = [selector.expression for selector in device_class.selectors]
    if not accepting_texts(case.view, inventory, of_class):
        return True
    own = [texts.get(selector.path, selector.expression) for selector in alternative.selectors]
    return bool(accepting_texts(case.view, inventory, [*of_class, *own]))
