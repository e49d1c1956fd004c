"""What steps show of a policy: outcomes that were seen, and those that were not."""

from tests.support.build import claim_object, request
from tests.support.policies import claim_case, compiled
from webhook.policy.compile import CompiledPolicy
from webhook.policy.coverage import Coverage, coverage_of
from webhook.policy.judge import Step, judge


def covered(policy: CompiledPolicy, *names: str) -> Coverage:
    """Return what claims of these names show of the policy."""
    steps: list[Step] = []
    for name in names:
        judge([policy], claim_case(claim_object(request("gpu"), name=name)), steps.append)
    return coverage_of(policy, steps)


def told(coverage: Coverage) -> list[tuple[str, str]]:
    return [(gap.point.text, gap.problem) for gap in coverage.gaps]


def test_a_validation_is_shown_by_both_of_its_outcomes() -> None:
    policy = compiled("object.metadata.name == 'a'")
    assert told(covered(policy)) == [("object.metadata.name == 'a'", "never evaluated")]
    assert told(covered(policy, "a")) == [("object.metadata.name == 'a'", "never false")]
    assert told(covered(policy, "b")) == [("object.metadata.name == 'a'", "never true")]
    assert told(covered(policy, "a", "b")) == []


def test_each_side_of_an_alternative_is_shown_by_itself() -> None:
    policy = compiled("object.metadata.name == 'a' || object.metadata.name == 'b' || object.metadata.name == 'c'")
    assert told(covered(policy, "a", "b", "x")) == [("object.metadata.name == 'c'", "never true")]
    assert told(covered(policy, "a", "c", "x")) == [("object.metadata.name == 'b'", "never true")]
    assert covered(policy, "a", "b", "c", "x") == Coverage(8, 8, ())


def test_what_stands_behind_a_side_that_decides_is_not_evaluated() -> None:
    policy = compiled("object.metadata.name != 'a' && object.metadata.name != 'b'")
    assert told(covered(policy, "a", "x")) == [("object.metadata.name != 'b'", "never false")]


def test_the_condition_of_a_choice_is_shown_and_its_branches_need_not_be() -> None:
    policy = compiled("object.metadata.name == 'a' ? true : object.kind == 'ResourceClaim'")
    assert ("object.metadata.name == 'a'", "never false") in told(covered(policy, "a"))


def test_conditions_within_macros_are_shown_element_by_element() -> None:
    policy = compiled("claim.requests.all(r, r.name == 'gpu' && object.metadata.name == 'a')")
    assert told(covered(policy, "a", "b")) == [("r.name == 'gpu'", "never false")]


def test_variables_and_messages_are_shown_where_they_are_evaluated() -> None:
    policy = compiled(
        variables=[{"name": "short", "expression": "size(object.metadata.name) < 2"}],
        validations=[{"expression": "object.metadata.name != 'b' || variables.short", "messageExpression": "'x'"}],
    )
    found = told(covered(policy, "a"))
    assert ("size(object.metadata.name) < 2", "never evaluated") in found
    assert ("'x'", "never evaluated") in found
    assert ("size(object.metadata.name) < 2", "never evaluated") not in told(covered(policy, "b"))


def test_steps_of_other_policies_do_not_count() -> None:
    steps: list[Step] = []
    judge([compiled("true", name="y")], claim_case(claim_object(request("gpu"))), steps.append)
    assert coverage_of(compiled("true", name="x"), steps).seen == 0
