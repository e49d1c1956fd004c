"""Which small changes tests of a policy must notice."""

import pytest

from tests.support.policies import compiled
from webhook.policy.compile import compile_policy
from webhook.policy.mutants import mutants_of


def changes(expression: str) -> list[tuple[str, str]]:
    return [(mutant.replaced, mutant.text) for mutant in mutants_of(compiled(expression))]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("claim.worst.devices <= 4", [("<=", "<"), ("<=", ">"), ("4", "5"), ("4", "3")]),
        ("claim.worst.devices > 4", [(">", ">="), (">", "<="), ("4", "5"), ("4", "3")]),
        ("request.dryRun", [("request.dryRun", "!(request.dryRun)")]),
        ("!request.dryRun", [("!request.dryRun", "request.dryRun")]),
        ("request.name == 'a'", [("==", "!="), ("'a'", '"a~"')]),
        ("has(pod.name)", [("has(pod.name)", "!(has(pod.name))")]),
        ("claim.requests.all(r, r.all)", [("all", "exists"), ("r.all", "!(r.all)")]),
        (
            "'x' in request.userInfo.groups",
            [("'x' in request.userInfo.groups", "!('x' in request.userInfo.groups)"), ("'x'", '"x~"')],
        ),
    ],
)
def test_operators_and_constants_are_changed(expression: str, expected: list[tuple[str, str]]) -> None:
    assert changes(expression) == expected


def test_and_and_or_become_each_other() -> None:
    found = changes("request.dryRun && request.name == 'a' || request.name != 'b'")
    assert ("&&", "||") in found
    assert ("||", "&&") in found


def test_amounts_are_doubled_and_halved() -> None:
    found = changes("claim.worst.capacity['memory'].compareTo(quantity('10Gi')) < 0")
    assert ("'10Gi'", '"20Gi"') in found
    assert ("'10Gi'", '"5Gi"') in found


def test_what_would_not_compile_is_no_mutant() -> None:
    assert changes("request.name + request.namespace != ''") == [("!=", "=="), ("''", '"~"')]


def test_every_expression_is_changed_in_its_place_and_works() -> None:
    policy = compiled(
        matchConditions=[{"name": "c", "expression": "request.name != 'x'"}],
        variables=[{"name": "most", "expression": "4"}],
        validations=[{"expression": "claim.worst.devices <= variables.most", "messageExpression": "'no'"}],
        auditAnnotations=[{"key": "k", "valueExpression": "'v'"}],
    )
    found = list(mutants_of(policy))
    assert {str(mutant.expression.path) for mutant in found} == {
        "spec.matchConditions[0].expression",
        "spec.variables[0].expression",
        "spec.validations[0].expression",
        "spec.validations[0].messageExpression",
        "spec.auditAnnotations[0].valueExpression",
    }
    for mutant in found:
        assert mutant.policy != policy.policy
        assert compile_policy(mutant.policy).works
