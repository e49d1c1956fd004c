"""The values of the words: what expressions read of an object, computed when it is first read."""

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from webhook.cel.values import MISSING, LazyMap, Value
from webhook.core.pods import POD
from webhook.core.raw import RawObject
from webhook.core.review import Resource
from webhook.policy.case import PolicyCase
from webhook.policy.claim_words import claim_fields, is_ordinary
from webhook.policy.cluster_words import inventory, quotas
from webhook.policy.environment import ASSUMED

_JSON: Final = frozenset({dict, list, str, int, float, bool, type(None)})
_LARGEST: Final = 2**63

Fields = Mapping[str, Callable[[], Value]]


def struct(fields: Fields) -> LazyMap:
    """Return an object whose fields are computed when they are read; MISSING stands for one that is absent."""

    def make(name: str) -> Value:
        field = fields.get(name)
        return MISSING if field is None else field()

    return LazyMap(make)


class _Objects:
    """The object and the one before the change, as expressions may read them."""

    def __init__(self, case: PolicyCase) -> None:
        self._case = case

    @cached_property
    def new(self) -> Value:
        return _readable(self._case.raw)

    @cached_property
    def old(self) -> Value:
        return _readable(self._case.old)


class Words:
    """The variables of one object, the same for every policy.

    Nothing that it holds refers to it, so that it and the view of the cluster are gone when the review is decided.
    """

    def __init__(self, case: PolicyCase) -> None:
        self._case = case
        self._objects = _Objects(case)

    @cached_property
    def variables(self) -> LazyMap:
        """The variables but `params` and `variables`, which are each policy's own."""
        case, objects = self._case, self._objects
        return struct(
            {
                "object": lambda: objects.new,
                "oldObject": lambda: objects.old,
                "request": lambda: struct(_request_fields(case)),
                "namespaceObject": lambda: _namespace(case),
                "claim": lambda: struct(claim_fields(case)),
                "pod": lambda: _pod(case),
                "quotas": lambda: quotas(case),
                "inventory": lambda: inventory(case.view),
            }
        )

    @cached_property
    def is_ordinary(self) -> bool:
        """Whether nothing of a declared size is larger than that."""
        return is_ordinary(self._case)

    @cached_property
    def extent(self) -> tuple[int, int]:
        """The most entries of a list or map and the longest text of the object, at least what is assumed."""
        extents = (ASSUMED, extent_of(self._objects.new), extent_of(self._objects.old))
        return max(entries for entries, _ in extents), max(text for _, text in extents)


def _readable(raw: RawObject | None) -> Value:
    """Return the object without the parts that are no JSON values: those nested too deep to be looked at."""
    if raw is None or all(_is_json(value) for value in _values(raw)):
        return raw
    return _without_the_rest(raw)


def _is_json(value: object) -> bool:
    return type(value) in _JSON and not (type(value) is int and not -_LARGEST <= value < _LARGEST)


def _without_the_rest(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_the_rest(held) for key, held in value.items() if _is_json(held)}
    if isinstance(value, list):
        return [_without_the_rest(held) for held in value if _is_json(held)]
    return value


def _values(raw: Any) -> Iterator[Any]:
    """Yield every value inside of another, and it."""
    stack = [raw]
    while stack:
        value = stack.pop()
        yield value
        if type(value) is dict:
            stack.extend(value.values())
        elif type(value) is list:
            stack.extend(value)


def extent_of(raw: Any) -> tuple[int, int]:
    """Return the most entries of a list or map and the longest text, as powers of two, so that few differ."""
    widest = longest = 1
    for value in _values(raw):
        if type(value) is str:
            longest = max(longest, len(value))
        elif type(value) is dict or type(value) is list:
            widest = max(widest, len(value))
    return 1 << (widest - 1).bit_length(), 1 << (longest - 1).bit_length()


def _request_fields(case: PolicyCase) -> Fields:
    return {
        "kind": lambda: _kind(case.kind, "kind"),
        "resource": lambda: _kind(case.api_resource, "resource"),
        "subResource": lambda: "",  # subresources are not judged
        "requestKind": lambda: _kind(case.request_kind, "kind"),
        "name": lambda: case.name,
        "namespace": lambda: case.namespace,
        "operation": lambda: case.operation,
        "userInfo": lambda: _user(case),
        "dryRun": lambda: case.dry_run,
        "options": lambda: _readable(case.options),
    }


def _kind(kind: Resource, name: str) -> Value:
    return {"group": kind.group, "version": kind.version, name: kind.name}


def _user(case: PolicyCase) -> Value:
    user = case.requester
    extra = {key: list(values) for key, values in user.extra.items()}
    return {"username": user.username, "uid": user.uid, "groups": list(user.groups), "extra": extra}


def _namespace(case: PolicyCase) -> Value:
    labels = case.namespace_labels()
    if labels is None:
        return None
    known = case.view.namespaces.get(case.namespace)
    annotations = dict(known.annotations) if known is not None else {}
    return {"metadata": {"name": case.namespace, "labels": dict(labels), "annotations": annotations}}


def _pod(case: PolicyCase) -> Value:
    """Return what is known of the pod; of a claim that is made for one, its name."""
    raw = case.raw
    if case.claim is not None:
        owner = case.claim.metadata.controller()
        made_for = owner is not None and owner.kind == POD and case.claim.made_from_template()
        return {"name": owner.name} if made_for and owner is not None else {}
    if raw.get("kind") != POD:
        return {}
    metadata, spec = _dict(raw.get("metadata")), _dict(raw.get("spec"))
    found: dict[str, Value] = {
        "labels": {key: value for key, value in _dict(metadata.get("labels")).items() if isinstance(value, str)},
        "serviceAccountName": _text(spec.get("serviceAccountName")),
        "name": _text(metadata.get("name")),
        "replicas": case.replicas,
    }
    owner_found = _owner(case, metadata)
    if owner_found is not None:
        found["owner"] = owner_found
    return found


def _owner(case: PolicyCase, metadata: Mapping[str, Any]) -> Value:
    """Return the workload: what was sent, or the controller that the pod names."""
    if case.workload is not None:
        around = _dict(case.workload.get("metadata"))
        return {
            "apiVersion": _text(case.workload.get("apiVersion")),
            "kind": _text(case.workload.get("kind")),
            "name": _text(around.get("name")),
        }
    references = metadata.get("ownerReferences")
    for reference in references if isinstance(references, list) else ():
        if isinstance(reference, dict) and reference.get("controller") is True:
            return {name: _text(reference.get(name)) for name in ("apiVersion", "kind", "name")}
    return None


def _dict(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
