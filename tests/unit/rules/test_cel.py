"""What does not compile is refused in our words."""

import pytest

from tests.support.build import claim_with, make_view
from webhook.core.finding import Finding, Severity
from webhook.core.versions import CONSUMABLE_CAPACITY, ServerTruth
from webhook.inventory.case import Case
from webhook.rules import COMPILING, judged


def findings(expression: str, server: ServerTruth | None = None) -> tuple[Finding, ...]:
    return judged(Case(claim_with(expression), "team-a", make_view(server=server)), COMPILING)


@pytest.mark.parametrize(
    ("expression", "rule"),
    [
        pytest.param("device.driver = 'x'", "cel-syntax", id="assignment for comparison"),
        pytest.param("device.driver == 1", "cel-type", id="a string compared with a number"),
        pytest.param("nosuch", "cel-type", id="an unknown variable"),
        pytest.param("device.driver", "cel-result", id="a result that is no bool"),
        pytest.param("true" + " && true" * 2000, "cel-length", id="over 10,240 bytes"),
        pytest.param(
            "range.all(a, range.all(b, range.all(c, true)))".replace("range", "lists.range(1000)"),
            "cel-cost",
            id="loops in loops",
        ),
    ],
)
def test_each_kind_of_refusal_has_its_rule(expression: str, rule: str) -> None:
    found = findings(expression)
    assert {finding.rule for finding in found} == {rule}
    assert {finding.severity for finding in found} == {Severity.DENY}


def test_what_compiles_is_silent() -> None:
    assert findings("device.driver == 'gpu.example.com'") == ()


def test_a_gate_that_is_not_known_gives_the_benefit_of_the_doubt() -> None:
    expression = "device.allowMultipleAllocations"
    assert findings(expression, ServerTruth("1.35")) == ()
    assert findings(expression, ServerTruth("1.35", gates={CONSUMABLE_CAPACITY: False}))[0].severity is Severity.DENY


def test_a_server_of_an_unknown_version_is_only_warned_for() -> None:
    [finding] = findings("nosuch", ServerTruth(exact=False))
    assert finding.severity is Severity.WARN
