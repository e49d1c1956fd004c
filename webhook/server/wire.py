"""Raw bytes to Review, and Decision to the bytes of the answer (admission.k8s.io/v1, KEP-2153)."""

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import Any

import msgspec

from webhook.core.decision import Allow, Decision, Deny
from webhook.core.errors import BadReviewError
from webhook.core.finding import Finding, Severity
from webhook.core.patch import Operation
from webhook.core.render import MOST_SHOWN, PLAIN, Style, annotation, bounded, cause_text, message, warnings
from webhook.core.review import Resource, Review
from webhook.server.exact_json import DEEPEST, OPAQUE, JsonError, parse_exact

API_VERSION = "admission.k8s.io/v1"
KIND = "AdmissionReview"

DEEPEST_SHOWN = 128
"""Objects nested deeper than this are OPAQUE to the rules, so that no walk can exceed Python's stack."""

_MOST_ANNOTATED = 64 * 1024
"""How many characters all audit annotations of an answer have at most, besides the findings."""

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_NO_KIND = Resource("", "", "")


class _GroupVersion(msgspec.Struct):
    group: str | None = None
    version: str | None = None
    kind: str | None = None
    resource: str | None = None


class _User(msgspec.Struct):
    username: str | None = None
    uid: str | None = None
    groups: tuple[str, ...] | None = None
    extra: dict[str, tuple[str, ...] | None] | None = None


class _Request(msgspec.Struct):
    """What is read of an AdmissionRequest; null is absent, as in Go. What is inside the objects is not looked at."""

    uid: str | None = None
    operation: str | None = None
    kind: _GroupVersion | None = None
    resource: _GroupVersion | None = None
    requestKind: _GroupVersion | None = None  # noqa: N815 - the names of the API
    subResource: str | None = None  # noqa: N815
    name: str | None = None
    namespace: str | None = None
    userInfo: _User | None = None  # noqa: N815
    dryRun: bool | None = None  # noqa: N815
    object: Any = None
    oldObject: Any = None  # noqa: N815
    options: Any = None


def parse_review(raw: bytes, timeout_seconds: float | None = None) -> Review:
    """Return the review in a request's body; BadReviewError for anything that the API server would not send.

    A field of the envelope of a wrong type is refused. `timeout_seconds` is what the caller said it waits.
    """
    request = _request(decoded(raw))
    if not request.uid:
        raise BadReviewError("the review must have a `request.uid`")
    new = _struct("object", request.object)
    if new is None and request.operation == "CREATE":
        raise BadReviewError("the review of a CREATE must have a `request.object`")
    user = request.userInfo or _User()
    return Review(
        uid=request.uid,
        operation=request.operation or "",
        kind=_kind(request.kind) or _NO_KIND,
        resource=_resource(request.resource) or _NO_KIND,
        name=request.name or "",
        namespace=request.namespace or "",
        sub_resource=request.subResource or "",
        username=user.username or "",
        groups=user.groups or (),
        user_uid=user.uid or "",
        user_extra={name: values or () for name, values in (user.extra or {}).items()},
        dry_run=request.dryRun or False,
        object=new,
        old_object=_struct("oldObject", request.oldObject),
        request_kind=_kind(request.requestKind),
        timeout_seconds=timeout_seconds,
        options=_struct("options", request.options) or {},
    )


def _request(document: Any) -> _Request:
    if not isinstance(document, dict) or document.get("kind") != KIND or document.get("apiVersion") != API_VERSION:
        raise BadReviewError(f"the body must be an {KIND} of {API_VERSION}")
    if not isinstance(document.get("request"), dict):
        raise BadReviewError("the review must hold a `request`")
    try:
        return msgspec.convert(document["request"], _Request)
    except msgspec.ValidationError as error:
        field = str(error).rpartition("`$")[2].rstrip("`")
        raise BadReviewError(f"`request{field}` in the review is of a wrong type") from None


def _struct(name: str, value: Any) -> dict[str, Any] | None:
    if value is not None and not isinstance(value, dict):
        raise BadReviewError(f"`request.{name}` in the review must be an object")
    return value


def _kind(raw: _GroupVersion | None) -> Resource | None:
    return None if raw is None else Resource(raw.group or "", raw.version or "", raw.kind or "")


def _resource(raw: _GroupVersion | None) -> Resource | None:
    return None if raw is None else Resource(raw.group or "", raw.version or "", raw.resource or "")


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
        response["auditAnnotations"] = {**_bounded(audit), "findings": annotation(findings), "uid": review.uid}
        if said := warnings(findings):
            response["warnings"] = said
    elif audit:
        response["auditAnnotations"] = _bounded(audit)
    return _encode({"apiVersion": API_VERSION, "kind": KIND, "response": response})


def _bounded(audit: Mapping[str, str]) -> dict[str, str]:
    """Return the audit annotations as long as there is room for them: the API server writes all that it is sent."""
    sizes = accumulate(len(name) + len(text) for name, text in audit.items())
    return {name: text for (name, text), size in zip(audit.items(), sizes, strict=True) if size <= _MOST_ANNOTATED}


def _patch(operations: Iterable[Operation]) -> list[dict[str, Any]]:
    return [
        {"op": operation.op, "path": operation.path}
        if operation.op == "remove"
        else {"op": operation.op, "path": operation.path, "value": operation.value}
        for operation in operations
    ]


def _status(review: Review, findings: Iterable[Finding], style: Style) -> dict[str, Any]:
    """Return the metav1.Status of a denial, with details, without which kubectl cannot show an Invalid."""
    denials = [finding for finding in findings if finding.severity is Severity.DENY]
    kind = review.request_kind or review.kind
    code, reason = _reason(denials)
    return {
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message(denials, style),
        "details": {
            "group": kind.group,
            "kind": kind.name,
            "name": bounded(shown_name(review)),
            "causes": _causes(denials, style),
        },
    }


# The reasons that a policy may name, with their codes (plugin/policy/validating, reasonToCode).
_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413, "Invalid": 422}


def _reason(denials: Iterable[Finding]) -> tuple[int, str]:
    """Return code and reason: 422 Invalid where the object is wrong, 403 Forbidden where it is only not permitted here.

    A policy may name another one, which holds where all denials agree on it (messages.md).
    """
    named = {finding.status or ("Invalid" if finding.permitted else "Forbidden") for finding in denials}
    reason = named.pop() if len(named) == 1 else "Invalid" if "Invalid" in named else "Forbidden"
    return _CODES[reason], reason


def _causes(denials: list[Finding], style: Style) -> list[dict[str, str]]:
    causes = [
        {
            "reason": finding.reason.value,
            "message": cause_text(finding, style),
            "field": bounded(str(finding.path)),
        }
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
