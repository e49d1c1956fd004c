"""The content of a generated claim template, and the name that follows from it (contract 6.3, 6.4)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from webhook.core.claims import GROUP, TEMPLATE
from webhook.core.raw import RawObject

PREFIX = "drawbridge-"
GENERATED = "drawbridge.dev/generated"
REQUEST = "devices"
"""The name of the one request in each generated template."""

MOST_DEVICES = 32
"""The most devices that one claim can be given (AllocationResultsMaxSize)."""

_HASH_DIGITS = 16
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: object) -> str:
    """Return the one JSON text of a value: sorted keys, no white space, text as it is."""
    return _ENCODER.encode(value)


@dataclass(frozen=True, slots=True)
class Shape:
    """All of a template but the count. Capacity is (name, quantity as the API server prints it), sorted.

    `constraints` and `config` are kept as canonical JSON, so that shapes can be compared and hashed.
    """

    device_class_name: str
    selectors: tuple[str, ...] = ()
    capacity: tuple[tuple[str, str], ...] = ()
    constraints: tuple[str, ...] = ()
    config: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Template:
    """A generated template: its name follows from its spec alone, so all pods that ask the same share it."""

    name: str
    spec: Mapping[str, Any]

    def manifest(self, namespace: str = "") -> dict[str, Any]:
        """Return the object to create; without a namespace it goes where it is applied."""
        place = {"namespace": namespace} if namespace else {}
        return {
            "apiVersion": f"{GROUP}/v1",
            "kind": TEMPLATE,
            "metadata": {"name": self.name, **place, "labels": {GENERATED: "true"}},
            "spec": self.spec,
        }


@lru_cache(maxsize=1024)
def make_template(shape: Shape, count: int) -> Template:
    """Return the template for so many devices of a shape, with every field written out that has a default."""
    spec = _spec(shape, count)
    digest = hashlib.sha256(canonical(spec).encode()).hexdigest()
    return Template(PREFIX + digest[:_HASH_DIGITS], spec)


def _spec(shape: Shape, count: int) -> dict[str, Any]:
    exactly: dict[str, Any] = {
        "deviceClassName": shape.device_class_name,
        "allocationMode": "ExactCount",
        "count": count,
    }
    if shape.selectors:
        exactly["selectors"] = [{"cel": {"expression": expression}} for expression in shape.selectors]
    if shape.capacity:
        exactly["capacity"] = {"requests": dict(shape.capacity)}
    devices: dict[str, Any] = {"requests": [{"name": REQUEST, "exactly": exactly}]}
    if shape.constraints:
        devices["constraints"] = [_for_request(text) for text in shape.constraints]
    if shape.config:
        devices["config"] = [_for_request(text) for text in shape.config]
    return {"spec": {"devices": devices}}


def _for_request(text: str) -> dict[str, Any]:
    return {**json.loads(text), "requests": [REQUEST]}


def is_generated_name(name: str) -> bool:
    """Return whether a template has the form of a name that Drawbridge gives."""
    digits = name.removeprefix(PREFIX)
    return digits != name and len(digits) == _HASH_DIGITS and not set(digits) - set("0123456789abcdef")


def holds(stored: RawObject, template: Template) -> bool:
    """Return whether a stored template says the same as a generated one.

    The API server writes an empty `metadata` beside the claim's spec; a field that it dropped is a difference.
    """
    spec = stored.get("spec")
    if not isinstance(spec, dict):
        return False
    return bool({key: value for key, value in spec.items() if key != "metadata" or not _empty(value)} == template.spec)


def _empty(metadata: object) -> bool:
    return metadata in (None, {}, {"creationTimestamp": None})
