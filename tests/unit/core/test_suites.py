"""Reading suites of policy tests, and how partial objects are merged and compared."""

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from webhook.core.suites import (
    CASE_FIELDS,
    EXPECT_FIELDS,
    SPEC_FIELDS,
    Expected,
    Operation,
    User,
    contains,
    merged,
    parse_suite,
)

DOCS = Path(__file__).resolve().parents[3] / "docs"


def suite(**spec: Any) -> dict[str, Any]:
    return {"apiVersion": "drawbridge.dev/v1alpha1", "kind": "PolicyTestSuite", "metadata": {"name": "x"}, "spec": spec}


@pytest.mark.parametrize(
    ("base", "over", "whole"),
    [
        ({"a": 1, "b": 2}, {"b": 3}, {"a": 1, "b": 3}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": None}}, {"a": {"b": 1}}),
        ({"a": [1, 2]}, {"a": [3]}, {"a": [3]}),
        ({"a": 1}, {"a": {"b": 2}}, {"a": {"b": 2}}),
        ({}, {"a": None}, {}),
    ],
)
def test_mappings_are_merged_entry_by_entry_and_all_else_is_replaced(base: Any, over: Any, whole: Any) -> None:
    assert merged(base, over) == whole


def test_merging_leaves_what_is_merged_as_it_is() -> None:
    base = {"a": {"b": 1}}
    merged(base, {"a": {"b": 2}})
    assert base == {"a": {"b": 1}}


@pytest.mark.parametrize(
    ("whole", "part", "has"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": {"b": 1, "c": 2}}, {"a": {"c": 2}}, True),
        ({"a": 1}, {"b": 1}, False),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": 1}, {"a": {"b": 1}}, False),
    ],
)
def test_an_object_has_a_part_where_it_has_each_of_its_fields(whole: Any, part: Any, has: bool) -> None:
    assert contains(whole, part) is has


def test_a_suite_is_read_with_what_its_cases_have_of_their_own() -> None:
    case = {
        "name": "one",
        "object": "claim.yaml",
        "oldObject": {"kind": "Pod"},
        "operation": "UPDATE",
        "user": {"name": "ann"},
        "now": "2027-01-31",
        "expect": {"decision": "deny", "warnings": []},
    }
    read = parse_suite(suite(cases=[case], user={"groups": ["a"]}))
    assert read.flaws == ()
    assert read.user == User("kubernetes-admin", ("a",))
    (found,) = read.cases
    assert (found.object, found.operation, found.now) == ("claim.yaml", Operation.UPDATE, date(2027, 1, 31))
    assert found.user == User("ann", ("system:authenticated",))
    assert (found.expect.decision, found.expect.warnings, found.expect.rule) == (Expected.DENY, (), None)


def test_every_flaw_of_a_suite_is_told() -> None:
    read = parse_suite(suite(policies="x", cases=[{"nme": "one", "expect": {"decision": 3}}, 7], clutser=[]))
    assert {str(flaw.path) for flaw in read.flaws} >= {
        "spec.clutser",
        "spec.policies",
        "spec.cases[0].nme",
        "spec.cases[0]",
        "spec.cases[0].expect.decision",
        "spec.cases[1]",
    }


def test_the_page_of_suites_has_every_field_and_no_other() -> None:
    page = (DOCS / "reference" / "policy-tests.md").read_text()
    listed = re.findall(r"^\| (`[^|]+`) \| ", page, re.MULTILINE)
    named = {name for cell in listed for name in re.findall(r"`(\w+)`", cell)}
    assert named == {*SPEC_FIELDS, *CASE_FIELDS, *EXPECT_FIELDS}


@pytest.mark.parametrize("page", ["reference/policy-tests.md", "how-to/write-policies.md"])
def test_the_suites_of_pages_can_be_read(page: str) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    suites = [raw for block in blocks if (raw := yaml.safe_load(block))["kind"] == "PolicyTestSuite"]
    assert suites
    for raw in suites:
        assert parse_suite(raw).flaws == ()
