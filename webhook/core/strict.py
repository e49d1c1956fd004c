"""Fields that an object has and its kind has not: misspelt, or at the wrong place, with the edits that mend them.

The API server drops such a field, or refuses the object, depending on how it is asked (`fieldValidation`). A file has
not met it yet.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.finding import Edit
from webhook.core.pods import pod_template
from webhook.core.raw import MOST_ITEMS, MOST_MISFITS, RawObject
from webhook.core.shapes import (
    ATTRIBUTE,
    CAPACITY,
    CLAIM_SPEC,
    CLASS_CONFIG,
    CONFIG,
    DEVICE,
    EXACTLY,
    FLAT_CLAIM_SPEC,
    FLAT_DEVICE,
    FLAT_REQUEST,
    FLAT_TEMPLATE_SPEC,
    OPAQUE,
    POD_CLAIM,
    REQUEST,
    RESOURCES,
    SELECTOR,
    SUB_REQUEST,
    TEMPLATE_SPEC,
    MapOf,
    Shape,
    Struct,
    devices_of,
    shape_of,
)
from webhook.core.suggest import nearest


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something in a file that the API server would refuse or drop, and what mends it."""

    path: FieldPath
    message: str
    fix: str
    edits: tuple[Edit, ...] = ()


def unknown_fields(raw: RawObject) -> tuple[Flaw, ...]:
    """Return the unknown fields of a DRA object, or of the DRA parts of a pod or workload; at most a hundred."""
    return tuple(islice(_flaws(raw), MOST_MISFITS))


def stray_fields(raw: RawObject, fields: Sequence[str], at: FieldPath) -> Iterator[Flaw]:
    """Yield each field of an object of our own kinds that is none of those that it may have."""
    for name in raw:
        if name not in fields:
            near = nearest(name, fields)
            fix = f"did you mean `{near[0]}`?" if near else f"it has {', '.join(f'`{field}`' for field in fields)}"
            yield Flaw(at.child(name), f"there is no field `{name}`", fix)


def _flaws(raw: RawObject) -> Iterator[Flaw]:
    shape = shape_of(str(raw.get("apiVersion")), str(raw.get("kind")))
    if shape is not None:
        yield from _in_struct(raw, shape, ROOT)
    pod = pod_template(raw)
    if pod is not None:
        yield from _in_pod(pod[0], pod[1])


def _in_pod(pod: RawObject, at: FieldPath) -> Iterator[Flaw]:
    spec = pod.get("spec")
    if not isinstance(spec, dict):
        return
    at = at.child("spec")
    yield from _inside(spec.get("resourceClaims"), (POD_CLAIM,), at.child("resourceClaims"))
    for field in ("initContainers", "containers"):
        for position, container in enumerate(_items(spec.get(field))):
            place = at.child(field).index(position)
            if isinstance(container, dict):
                yield from _inside(container.get("resources"), RESOURCES, place.child("resources"))
                yield from _claims_of_container(container, place)


def _claims_of_container(container: RawObject, at: FieldPath) -> Iterator[Flaw]:
    """A container names its claims in `resources.claims`, nowhere else."""
    for name in ("claims", "resourceClaims"):
        claims = container.get(name)
        if claims is not None:
            resources = container.get("resources")
            taken = isinstance(resources, dict) and "claims" in resources
            moved = {**(resources if isinstance(resources, dict) else {}), "claims": claims}
            edits = () if taken else (Edit(at.child("resources"), moved), Edit(at.child(name), None))
            yield Flaw(at.child(name), f"a container has no field `{name}`", "name claims in `resources.claims`", edits)


def _inside(value: object, shape: Shape, at: FieldPath) -> Iterator[Flaw]:
    if isinstance(shape, MapOf) and isinstance(value, dict):
        for key, inner in value.items():
            yield from _inside(inner, shape.value, at.key(str(key)))
    elif isinstance(shape, tuple):
        for position, item in enumerate(_items(value)):
            yield from _inside(item, shape[0], at.index(position))
    elif isinstance(shape, Mapping) and isinstance(value, dict):
        yield from _in_struct(value, shape, at)


def _items(value: object) -> list[Any]:
    return value[:MOST_ITEMS] if isinstance(value, list) else []


def _in_struct(value: RawObject, shape: Struct, at: FieldPath) -> Iterator[Flaw]:
    unknown = [name for name in value if name not in shape]
    moved = next((move for known, move in _MOVES if known is shape), None)
    for flaw, names in moved(value, unknown, at) if moved and unknown else ():
        yield flaw
        unknown = [name for name in unknown if name not in names]
    for name in unknown:
        yield _misspelt(value, name, shape, at)
    for name, inner in shape.items():
        if inner is not None and name in value:
            yield from _inside(value[name], inner, at.child(name))


def _misspelt(value: RawObject, name: str, shape: Struct, at: FieldPath) -> Flaw:
    near = next((known for known in nearest(name, shape) if known not in value), "")
    message = f"there is no field `{name}` here"
    if not near:
        return Flaw(at.child(name), message, f"the fields are {', '.join(f'`{known}`' for known in shape)}")
    edits = (Edit(at.child(near), value[name]), Edit(at.child(name), None))
    return Flaw(at.child(name), message, f"did you mean `{near}`?", edits)


# What people put one level too high or too low: for each struct how it is recognised and mended.

Moved = Iterator[tuple[Flaw, frozenset[str]]]
Move = Callable[[RawObject, list[str], FieldPath], Moved]


def _moved_into(inner: str, fields: Struct, why: str) -> Move:
    """Return the move of fields that stand beside the struct in which they belong."""

    def move(value: RawObject, unknown: list[str], at: FieldPath) -> Moved:
        names = [name for name in unknown if name in fields]
        there = value.get(inner)
        if not names:
            return
        kept = there if isinstance(there, dict) else {}
        whole = {**{name: value[name] for name in names}, **kept}
        clash = any(name in kept for name in names) or (there is not None and not isinstance(there, dict))
        edits = () if clash else (Edit(at.child(inner), whole), *(Edit(at.child(name), None) for name in names))
        listed = ", ".join(f"`{name}`" for name in names)
        verb = "belong" if len(names) > 1 else "belongs"
        flaw = Flaw(at.child(names[0]), f"{listed} {verb} under `{inner}`{why}", f"move {listed} into `{inner}`", edits)
        yield flaw, frozenset(names)

    return move


def _lifted_out(inner: str, fields: Struct, why: str) -> Move:
    """Return the move of a struct whose fields belong where it stands."""

    def move(value: RawObject, unknown: list[str], at: FieldPath) -> Moved:
        there = value.get(inner)
        if inner not in unknown or not isinstance(there, dict):
            return
        movable = all(name in fields and name not in value for name in there)
        lifted = tuple(Edit(at.child(name), content) for name, content in there.items())
        edits = (*lifted, Edit(at.child(inner), None)) if movable else ()
        yield (
            Flaw(at.child(inner), f"there is no `{inner}`{why}", f"write the fields of `{inner}` without it", edits),
            frozenset({inner}),
        )

    return move


def _wrapped_spec(value: RawObject, unknown: list[str], at: FieldPath) -> Moved:
    """A template's spec holds the spec of the claim: `spec.spec.devices`."""
    if "devices" not in unknown:
        return
    edits = (Edit(at.child("spec"), {"devices": value["devices"]}), Edit(at.child("devices"), None))
    message = "the claim of a template stands under `spec.spec`"
    flaw = Flaw(at.child("devices"), message, "write `spec.spec.devices`", () if "spec" in value else edits)
    yield flaw, frozenset({"devices"})


def _capacity_requests(value: RawObject, unknown: list[str], at: FieldPath) -> Moved:
    """What is asked of capacities stands under `requests`, as for a container."""
    names = [name for name in unknown if isinstance(value[name], str | int) and not nearest(name, CAPACITY)]
    there = value.get("requests", {})
    if not names or not isinstance(there, dict):
        return
    listed = ", ".join(f"`{name}`" for name in names)
    requests = {**{name: value[name] for name in names}, **there}
    edits = (Edit(at.child("requests"), requests), *(Edit(at.child(name), None) for name in names))
    message = f"{listed} must stand under `capacity.requests`"
    yield Flaw(at.child(names[0]), message, f"move {listed} into `requests`", edits), frozenset(names)


def _typed_value(value: RawObject, unknown: list[str], at: FieldPath) -> Moved:
    """An attribute says its type; a quantity is a capacity, not an attribute."""
    for name in ("quantity", "value"):
        if name not in unknown or len(value) > 1:
            continue
        given = value[name]
        wanted = {bool: "bool", int: "int", str: "string"}.get(type(given))
        if name == "quantity" or wanted is None:
            flaw = Flaw(at.child(name), "an attribute cannot be a quantity", "publish it under `capacity`")
        else:
            edits = (Edit(at.child(wanted), given), Edit(at.child(name), None))
            flaw = Flaw(at.child(name), "an attribute says its type", f"write `{wanted}` for `{name}`", edits)
        yield flaw, frozenset({name})


_V1 = " in v1 and v1beta2"
_FLAT = " in v1beta1"
_INTO_DEVICES = _moved_into("devices", devices_of(REQUEST), "")
_INTO_OPAQUE = _moved_into("opaque", OPAQUE, "")

_MOVES: tuple[tuple[Shape, Move], ...] = (
    (REQUEST, _moved_into("exactly", EXACTLY, _V1)),
    (FLAT_REQUEST, _lifted_out("exactly", EXACTLY, _FLAT)),
    (SUB_REQUEST, _lifted_out("exactly", SUB_REQUEST, " in an alternative")),
    (SELECTOR, _moved_into("cel", {"expression": None}, "")),
    (CAPACITY, _capacity_requests),
    (CONFIG, _INTO_OPAQUE),
    (CLASS_CONFIG, _INTO_OPAQUE),
    (CLAIM_SPEC, _INTO_DEVICES),
    (FLAT_CLAIM_SPEC, _INTO_DEVICES),
    (TEMPLATE_SPEC, _wrapped_spec),
    (FLAT_TEMPLATE_SPEC, _wrapped_spec),
    (DEVICE, _lifted_out("basic", DEVICE, _V1)),
    (FLAT_DEVICE, _moved_into("basic", DEVICE, _FLAT)),
    (ATTRIBUTE, _typed_value),
    (POD_CLAIM, _lifted_out("source", POD_CLAIM, "")),
)
