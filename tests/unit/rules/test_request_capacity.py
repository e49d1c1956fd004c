"""Amounts of capacity that can never be charged."""

from collections.abc import Mapping

from tests.support.build import make_claim, make_view, request
from webhook.core.finding import Edit, Finding, Severity
from webhook.inventory.case import Case
from webhook.rules import SCHEMA, judged


def findings(capacity: Mapping[str, str]) -> tuple[Finding, ...]:
    return judged(Case(make_claim(request(capacity=capacity)), "team-a", make_view()), SCHEMA)


def test_a_negative_amount_is_refused() -> None:
    [finding] = findings({"memory": "-10Gi"})
    assert (finding.rule, finding.severity) == ("request-capacity-negative", Severity.DENY)
    assert str(finding.path) == "spec.devices.requests[0].exactly.capacity.requests[memory]"


def test_zero_is_no_negative_amount() -> None:
    assert findings({"memory": "0"}) == ()


def test_both_spellings_of_one_capacity_are_refused_with_the_edit_that_drops_one() -> None:
    [finding] = findings({"memory": "10Gi", "gpu.example.com/memory": "10Gi"})
    assert finding.rule == "request-capacity-ambiguous"
    assert finding.fixes[0].edits == (Edit(finding.path, None),)


def test_two_capacities_may_be_asked_for() -> None:
    assert findings({"memory": "10Gi", "gpu.example.com/cores": "2"}) == ()
