"""Raw bytes to Review, and Decision to the bytes of the answer (admission.k8s.io/v1, KEP-2153)."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from webhook.core.decision import Allow, Decision, Deny
from webhook.core.errors import BadReviewError
from webhook.core.finding import Finding, Severity
from webhook.core.patch import Operation
from webhook.core.render import MOST_SHOWN, PLAIN, Style, annotation, cause_text, message, warnings
from webhook.core.review import Resource, Review
from webhook.server.exact_json import DEEPEST, OPAQUE, JsonError, parse_exact

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

DEEPEST_SHOWN = 128
"""Objects nested deeper than this are OPAQUE to the rules, so that no walk can exceed Python's stack."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_NO_KIND = Resource("", "", "")


def parse_review(raw: bytes, timeout_seconds: float | None = None) -> Review:
    """Return the review in a request's body; BadReviewError for anything that the API server would not send.

    Absent and null fields are the zero values of Go, as its decoder has it; a field of the envelope of a wrong type is
    refused, what is inside the object is not looked at. `timeout_seconds` is what the caller said it waits.
    """
    document = decoded(raw)
    if not isinstance(document, dict) or document.get("kind") != KIND or document.get("apiVersion") != API_VERSION:
        raise BadReviewError(f"the body must be an {KIND} of {API_VERSION}")
    request = _struct(document, "request")
    if request is None:
        raise BadReviewError("the review must hold a `request`")
    uid = _text(request, "uid")
    if not uid:
        raise BadReviewError("the review must have a `request.uid`")
    operation = _text(request, "operation")
    new = _struct(request, "object")
    if new is None and operation == "CREATE":
        raise BadReviewError("the review of a CREATE must have a `request.object`")
    user = _struct(request, "userInfo") or {}
    return Review(
        uid=uid,
        operation=operation,
        kind=_resource(request, "kind", "kind") or _NO_KIND,
        resource=_resource(request, "resource", "resource") or _NO_KIND,
        name=_text(request, "name"),
        namespace=_text(request, "namespace"),
        sub_resource=_text(request, "subResource"),
        username=_text(user, "username"),
        groups=_texts(user, "groups"),
        dry_run=_flag(request, "dryRun"),
        object=new,
        old_object=_struct(request, "oldObject"),
        request_kind=_resource(request, "requestKind", "kind"),
        timeout_seconds=timeout_seconds,
        options=_struct(request, "options") or {},
    )


def decoded(raw: bytes) -> Any:
    """Return the value of a JSON text in UTF-8, deep parts opaque; BadReviewError if it is none."""
    try:
        value = _decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        value = _decoded_slowly(raw)
    return _shallow(value) if _may_be_deep(raw) else value


def _decoded_slowly(raw: bytes) -> Any:
    try:
        return parse_exact(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise BadReviewError(f"the body must be UTF-8, and is not at byte {error.start}") from None
    except JsonError as error:
        raise BadReviewError(f"the body must be JSON: {error}") from None


def _may_be_deep(raw: bytes) -> bool:
    """Return False where there are too few brackets for a deep value; strings may hold some, so True means maybe."""
    return raw.count(b"{") + raw.count(b"[") > DEEPEST_SHOWN


def _shallow(document: Any) -> Any:
    """Return the value with what lies too deep made opaque; BadReviewError where it is nested beyond 10,000."""
    level = [document] if isinstance(document, dict | list) else []
    depth = 0
    while level:
        depth += 1
        # Of every review: exact types are a third of isinstance's cost, and empty ones are most of managedFields.
        inner = [
            value
            for container in level
            for value in (container.values() if container.__class__ is dict else container)
            if value and (value.__class__ is dict or value.__class__ is list)
        ]
        if depth == DEEPEST_SHOWN and inner:
            for container in level:
                _hide(container)
        if depth == DEEPEST and any(isinstance(value, dict | list) for values in level for value in _values(values)):
            raise BadReviewError(f"the body must not be nested deeper than {DEEPEST} levels")
        level = inner
    return document


def _values(container: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return container.values() if isinstance(container, dict) else container


def _hide(container: dict[str, Any] | list[Any]) -> None:
    places = list(container.items()) if isinstance(container, dict) else list(enumerate(container))
    for place, value in places:
        if isinstance(value, dict | list):
            container[place] = OPAQUE  # type: ignore[index]  # a key of a dict or an index of a list


def _text(raw: Mapping[str, Any], name: str) -> str:
    value = raw.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _mistyped(name, "a string")
    return value


def _texts(raw: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = raw.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _mistyped(name, "a list of strings")
    return tuple(value)


def _flag(raw: Mapping[str, Any], name: str) -> bool:
    value = raw.get(name)
    if value is None:
        return False
    if not isinstance(value, bool):
        raise _mistyped(name, "true or false")
    return value


def _struct(raw: Mapping[str, Any], name: str) -> dict[str, Any] | None:
    value = raw.get(name)
    if value is not None and not isinstance(value, dict):
        raise _mistyped(name, "an object")
    return value


def _resource(raw: Mapping[str, Any], name: str, last: str) -> Resource | None:
    value = _struct(raw, name)
    if value is None:
        return None
    return Resource(_text(value, "group"), _text(value, "version"), _text(value, last))


def _mistyped(name: str, wanted: str) -> BadReviewError:
    return BadReviewError(f"`{name}` in the review must be {wanted}")


def render_answer(review: Review, decision: Decision, *, mutating: bool, style: Style = PLAIN) -> bytes:
    """Return the body of the answer; only a mutating endpoint's carries a patch."""
    response: dict[str, Any] = {"uid": review.uid, "allowed": isinstance(decision, Allow)}
    match decision:
        case Allow(patch=patch) if patch and mutating:
            response |= {"patch": _encode(_patch(patch)), "patchType": "JSONPatch"}
        case Allow():
            pass
        case Deny(findings):
            response["status"] = _status(review, findings, style)
    findings, audit = decision.findings, decision.audit
    if findings:
        response["auditAnnotations"] = {**audit, "findings": annotation(findings)}
        if said := warnings(findings):
            response["warnings"] = said
    elif audit:
        response["auditAnnotations"] = dict(audit)
    return _encode({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def _patch(operations: Iterable[Operation]) -> list[dict[str, Any]]:
    return [
        {"op": operation.op, "path": operation.path}
        if operation.op == "remove"
        else {"op": operation.op, "path": operation.path, "value": operation.value}
        for operation in operations
    ]


def _status(review: Review, findings: Iterable[Finding], style: Style) -> dict[str, Any]:
    """Return the metav1.Status of a denial: 422 Invalid where the object is wrong, 403 Forbidden where it is only not
    permitted here (messages.md), with details, without which kubectl cannot show an Invalid.
    """
    denials = [finding for finding in findings if finding.severity is Severity.DENY]
    invalid = any(finding.permitted for finding in denials)
    kind = review.request_kind or review.kind
    return {
        "status": "Failure",
        "code": 422 if invalid else 403,
        "reason": "Invalid" if invalid else "Forbidden",
        "message": message(denials, style),
        "details": {
            "group": kind.group,
            "kind": kind.name,
            "name": shown_name(review),
            "causes": _causes(denials, style),
        },
    }


def _causes(denials: list[Finding], style: Style) -> list[dict[str, str]]:
    causes = [
        {"reason": finding.reason.value, "message": cause_text(finding, style), "field": str(finding.path)}
        for finding in denials[:MOST_SHOWN]
    ]
    if len(denials) > MOST_SHOWN:
        causes[-1]["message"] += f"\nand {len(denials) - MOST_SHOWN} more"
    return causes


def shown_name(review: Review) -> str:
    """Return the object's name, or its generateName while it has none."""
    if review.name:
        return review.name
    metadata = (review.object or review.old_object or {}).get("metadata")
    if not isinstance(metadata, dict):
        return ""
    name = metadata.get("name") or metadata.get("generateName")
    return name if isinstance(name, str) else ""
