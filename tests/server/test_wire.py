"""Bytes to Review and Decision to bytes."""

import base64
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.serving import make_review
from webhook.core.decision import Allow, Decision, Deny
from webhook.core.errors import BadReviewError
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Finding, Fix, Severity, Span
from webhook.core.patch import Operation
from webhook.core.render import Style
from webhook.core.review import Resource, Review
from webhook.server.exact_json import OPAQUE, JsonError, parse_exact, parse_with_own_stack
from webhook.server.wire import DEEPEST_SHOWN, decoded, parse_review, render_answer, shown_name


def parsed(**fields: Any) -> Review:
    return parse_review(json.dumps(make_review(**fields)).encode())


def answered(decision: Decision, *, mutating: bool = False, **fields: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render_answer(parsed(**fields), decision, mutating=mutating))
    assert document["apiVersion"] == "admission.k8s.io/v1"
    assert document["kind"] == "AdmissionReview"
    response: dict[str, Any] = document["response"]
    return response


def make_finding(severity: Severity = Severity.DENY, *, index: int = 0, permitted: bool = True) -> Finding:
    path = ROOT.child("spec", "devices", "requests").index(index).child("exactly", "count")
    return Finding("request-count", severity, path, "must be less", (Fix("ask for 8"),), permitted=permitted)


def test_every_field_of_a_review_is_read() -> None:
    review = parse_review(
        json.dumps(
            make_review(
                name="x",
                subResource="status",
                dryRun=True,
                oldObject={"a": 1},
                requestKind={"group": "resource.k8s.io", "version": "v1beta1", "kind": "ResourceClaim"},
                options={"fieldManager": "kubectl"},
            )
        ).encode(),
        3.0,
    )
    assert review == Review(
        uid="0b4cd2c8",
        operation="CREATE",
        kind=Resource("resource.k8s.io", "v1", "ResourceClaim"),
        resource=Resource("resource.k8s.io", "v1", "resourceclaims"),
        name="x",
        namespace="team-a",
        sub_resource="status",
        username="ann",
        groups=("system:authenticated",),
        dry_run=True,
        object=make_review()["request"]["object"],
        old_object={"a": 1},
        request_kind=Resource("resource.k8s.io", "v1beta1", "ResourceClaim"),
        timeout_seconds=3.0,
        options={"fieldManager": "kubectl"},
    )


def test_a_delete_has_no_object() -> None:
    review = parsed(operation="DELETE", object=None, oldObject={"metadata": {"name": "y"}})
    assert (review.object, shown_name(review)) == (None, "y")


def test_a_generated_name_is_shown_while_there_is_none() -> None:
    assert shown_name(parsed(object={"metadata": {"generateName": "x-"}})) == "x-"
    assert shown_name(parsed(object={"metadata": 7})) == ""


EXACT = {
    "an integer beyond 64 bits": ("[18446744073709551616]", 2**64),
    "a negative integer beyond 64 bits": ("[-99999999999999999999]", -99999999999999999999),
    "the last of duplicate keys": ('[{"a": 1, "b": 2, "a": 3}]', {"a": 3, "b": 2}),
    "a decimal": ("[0.5]", 0.5),
    "an exponent beyond a double": ("[1e400]", OPAQUE),
    "a negative exponent beyond a double": ("[-1E+999999999]", OPAQUE),
    "an exponent that is nothing": ("[1e-400]", 0.0),
    "more digits than can be read safely": (f"[{'1' * 5000}]", OPAQUE),
    "half a surrogate pair": ('["a\\ud800b"]', "a\ufffdb"),
    "the other half": ('["\\udc00\\ud800"]', "\ufffd\ufffd"),
    "a whole surrogate pair": ('["\\ud83d\\ude00"]', "\U0001f600"),
    "half a pair after an escaped backslash": ('["\\\\ud800"]', "\\ud800"),
    "half a pair before a pair": ('["\\ud800\\ud83d\\ude00"]', "\ufffd\U0001f600"),
}


@pytest.mark.parametrize(("text", "value"), EXACT.values(), ids=EXACT.keys())
def test_values_are_exact_or_opaque(text: str, value: object) -> None:
    assert decoded(text.encode()) == [value]
    assert parse_exact(text) == [value]


@pytest.mark.parametrize("depth", [900, 1_100, 9_999])
def test_deep_values_are_read_and_cannot_exhaust_a_walk(depth: int) -> None:
    value = decoded(b'{"a":[' * depth + b"]}" * depth if depth < 5_000 else b"[" * depth + b"]" * depth)
    steps = 0
    while isinstance(value, dict | list):
        value = value["a"] if isinstance(value, dict) else value[0]
        steps += 1
    assert value is OPAQUE
    assert steps == DEEPEST_SHOWN


def test_values_beside_deep_ones_are_kept() -> None:
    deep = b"[" * 500 + b"]" * 500
    assert decoded(b'{"a":' + deep + b',"b":[1,{"c":2}]}')["b"] == [1, {"c": 2}]


def test_nesting_of_exactly_10_000_is_read() -> None:
    assert decoded(b"[" * 10_000 + b"]" * 10_000)
    with pytest.raises(BadReviewError, match="deeper than 10000"):
        decoded(b"[" * 10_001 + b"]" * 10_001)


@pytest.fixture
def usual_stack() -> Iterator[None]:
    """Python's own recursion limit, which deep selectors judged before may have raised."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    yield
    sys.setrecursionlimit(limit)


@pytest.mark.usefixtures("usual_stack")
def test_a_text_both_deep_and_long_is_refused_in_time() -> None:
    with pytest.raises(BadReviewError, match="too deeply for its length"):
        decoded(b"[" * 2_000 + b"[]," * 2_000_000 + b"1" + b"]" * 2_000)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(value=json_values, indent=st.none() | st.integers(0, 2), ascii_only=st.booleans())
def test_t_05_three_readers_agree_on_what_is_json(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    assert parse_exact(text) == value
    assert parse_with_own_stack(text) == value
    assert decoded(text.encode()) == value


def verdict(parse: Callable[[str], Any], text: str) -> tuple[bool, Any]:
    try:
        return True, parse(text)
    except (ValueError, msgspec.DecodeError):
        return False, None


@given(text=st.text(alphabet='{}[]:,"\\u0d8e1.+-Etruefalsn \t\n\r\x0b', max_size=14))
def test_t_05_three_readers_agree_on_what_is_none(text: str) -> None:
    expected = verdict(parse_exact, text)
    assert verdict(parse_with_own_stack, text)[0] == expected[0]
    try:
        found = True, decoded(text.encode())
    except BadReviewError:
        found = False, None
    assert found == expected


@given(raw=st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    with pytest.raises(BadReviewError):
        parse_review(raw)


def test_own_stack_refuses_as_the_others_do() -> None:
    for text in ("", "[1,]", '{"a":1,}', "{,}", "[1 2]", '{"a" 1}', "{1:2}", "[", "1]", "[[]", '"a', "NaN", "٣"):
        with pytest.raises(JsonError):
            parse_with_own_stack(text)


def test_an_allow_says_no_more_than_it_must() -> None:
    assert answered(Allow()) == {"uid": "0b4cd2c8", "allowed": True}


def test_a_patch_is_sent_by_a_mutating_endpoint() -> None:
    patch = (
        Operation("add", "/spec/a", {"b": 2**70}),
        Operation("replace", "/spec/c", None),
        Operation("remove", "/spec/d"),
    )
    response = answered(Allow(patch=patch), mutating=True)
    assert response["patchType"] == "JSONPatch"
    assert json.loads(base64.b64decode(response["patch"])) == [
        {"op": "add", "path": "/spec/a", "value": {"b": 2**70}},
        {"op": "replace", "path": "/spec/c", "value": None},
        {"op": "remove", "path": "/spec/d"},
    ]


def test_a_validating_endpoint_never_sends_a_patch() -> None:
    assert answered(Allow(patch=(Operation("remove", "/a"),))) == {"uid": "0b4cd2c8", "allowed": True}


def test_no_patch_means_no_patch_type() -> None:
    assert answered(Allow(), mutating=True) == {"uid": "0b4cd2c8", "allowed": True}


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        (["Unauthorized"], (401, "Unauthorized")),
        (["RequestEntityTooLarge", "RequestEntityTooLarge"], (413, "RequestEntityTooLarge")),
        (["Unauthorized", "Forbidden"], (403, "Forbidden")),
        (["Unauthorized", ""], (422, "Invalid")),
        (["Invalid", "Forbidden"], (422, "Invalid")),
    ],
)
def test_the_reason_that_all_denials_name_is_that_of_the_refusal(named: list[str], expected: tuple[int, str]) -> None:
    denials = tuple(replace(make_finding(index=place), status=status) for place, status in enumerate(named))
    status = answered(Deny(denials))["status"]
    assert (status["code"], status["reason"]) == expected


def test_who_asks_is_read_with_uid_and_extra() -> None:
    user = {"username": "ann", "uid": "u-1", "groups": ["ops"], "extra": {"scope": ["a"], "none": None}}
    review = parsed(userInfo=user)
    assert (review.username, review.user_uid, review.groups) == ("ann", "u-1", ("ops",))
    assert review.user_extra == {"scope": ("a",), "none": ()}


def test_a_wrong_object_is_422_invalid_with_details() -> None:
    response = answered(Deny((make_finding(), make_finding(permitted=False))))
    status = response["status"]
    assert response["allowed"] is False
    assert (status["code"], status["reason"], status["status"]) == (422, "Invalid", "Failure")
    assert status["details"] | {"causes": None} == {
        "group": "resource.k8s.io",
        "kind": "ResourceClaim",
        "name": "x",
        "causes": None,
    }
    assert status["details"]["causes"][0] == {
        "reason": "FieldValueInvalid",
        "message": "must be less [request-count]\n  fix: ask for 8\n  see: drawbridge rule request-count",
        "field": "spec.devices.requests[0].exactly.count",
    }


def test_what_is_only_not_permitted_is_403_forbidden() -> None:
    status = answered(Deny((make_finding(permitted=False),)))["status"]
    assert (status["code"], status["reason"]) == (403, "Forbidden")
    assert status["message"].startswith("spec.devices.requests[0].exactly.count: must be less [request-count]\n")


def test_a_denial_tells_its_warnings_apart() -> None:
    response = answered(
        Deny((make_finding(), make_finding(Severity.WARN, index=1), make_finding(Severity.INFO, index=2)))
    )
    assert len(response["status"]["details"]["causes"]) == 1
    assert response["warnings"] == ["requests[1].count: must be less; ask for 8 [request-count]"]
    told = json.loads(response["auditAnnotations"]["findings"])["findings"]
    assert [entry["severity"] for entry in told] == ["deny", "warn", "info"]


def test_many_causes_are_cut_with_a_count() -> None:
    causes = answered(Deny(tuple(make_finding(index=index) for index in range(17))))["status"]["details"]["causes"]
    assert len(causes) == 10
    assert causes[-1]["message"].endswith("\nand 7 more")


def test_the_words_are_those_of_the_version_that_was_sent() -> None:
    old = {"group": "resource.k8s.io", "version": "v1beta1", "kind": "ResourceClaimX"}
    assert answered(Deny((make_finding(),)), requestKind=old)["status"]["details"]["kind"] == "ResourceClaimX"


def test_warnings_are_at_most_ten_and_infos_none() -> None:
    many = tuple(make_finding(Severity.WARN, index=index) for index in range(30))
    assert len(answered(Allow(many))["warnings"]) == 10
    assert "warnings" not in answered(Allow((make_finding(Severity.INFO),)))


def test_a_rewrite_is_told_beside_the_findings() -> None:
    response = answered(Allow((make_finding(Severity.INFO),), audit={"rewrite": "2 containers"}), mutating=True)
    assert response["auditAnnotations"]["rewrite"] == "2 containers"
    assert "findings" in response["auditAnnotations"]
    assert answered(Allow(audit={"rewrite": "x"}))["auditAnnotations"] == {"rewrite": "x"}


@pytest.mark.parametrize("letter", ["x", "\x00", "\u6f22", "\U000e0001"])
def test_t_25_no_answer_is_larger_than_it_need_be(letter: str) -> None:
    endless = letter * 20_000
    path = ROOT.child("spec", "capacity").key(endless)
    fixes = tuple(Fix(endless) for _ in range(5))
    found = Finding("r", Severity.DENY, path, endless, fixes, endless, Span(0, 19_999), endless, reference_text=endless)
    many = tuple(replace(found, severity=severity) for severity in Severity for _ in range(12))
    audit = {f"policy-{number}": "x" * 10_000 for number in range(100)}
    body = render_answer(parsed(name=endless), Deny(many, audit), mutating=False, style=Style(reference_text=True))
    assert len(body.decode()) < 320 * 1024
    response = json.loads(body)["response"]
    assert len(response["status"]["details"]["causes"]) == 10
    assert {"findings", "policy-0"} <= response["auditAnnotations"].keys()
    assert all(len(text) <= 10_000 for text in response["auditAnnotations"].values())


def test_the_findings_annotation_is_cut_at_8_kib() -> None:
    many = tuple(make_finding(Severity.WARN, index=index) for index in range(500))
    text = answered(Allow(many))["auditAnnotations"]["findings"]
    assert len(text.encode()) <= 8 * 1024
    assert json.loads(text)["more"] > 0
