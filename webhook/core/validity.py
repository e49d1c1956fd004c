"""The API server's structural rules for claims, templates, classes and pods' claims: for commands that read files.

Source: pkg/apis/resource/validation and pkg/apis/core/validation. Values that cannot even be decoded are misfits of
`raw.py`; here they are passed over.
"""

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

from webhook.core.claims import CLAIM, FLAT_VERSION, GROUP, TEMPLATE, devices_path
from webhook.core.devices import CLASS
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.finding import Edit
from webhook.core.pods import pod_template
from webhook.core.raw import MOST_MISFITS, RawObject
from webhook.core.shapes import SLICE
from webhook.core.slice_validity import slice_flaws
from webhook.core.strict import Flaw
from webhook.core.suggest import nearest
from webhook.core.syntax_rules import (
    C_IDENTIFIER,
    LABEL_VALUE,
    dns_subdomain,
    label_key,
    named_once,
    objects_of,
    struct_of,
    within,
)

_MOST = 32
_MOST_ALTERNATIVES = 8
_PARAMETER_BYTES = 10 * 1024
_MODES = ("ExactCount", "All")
_OPERATORS = ("Equal", "Exists")
_EFFECTS = ("NoSchedule", "NoExecute", "None")


def invalid_values(raw: RawObject) -> tuple[Flaw, ...]:
    """Return what the API server would refuse of a DRA object, or of the claims of a pod; at most a hundred."""
    return tuple(islice(_flaws(raw), MOST_MISFITS))


def _flaws(raw: RawObject) -> Iterator[Flaw]:
    kind = raw.get("kind") if str(raw.get("apiVersion")).startswith(f"{GROUP}/") else None
    if kind in (CLAIM, TEMPLATE, CLASS, SLICE):
        yield from _name(raw)
    spec = struct_of(raw, "spec")
    if kind in (CLAIM, TEMPLATE):
        inner = struct_of(spec, "spec") if kind == TEMPLATE else spec
        yield from _devices(struct_of(inner, "devices"), devices_path(str(kind)), raw.get("apiVersion") == FLAT_VERSION)
    elif kind == CLASS:
        at = ROOT.child("spec")
        yield from _selectors(spec, at)
        yield from _configs(spec, at, None)
        yield from _extended_resource(spec, at)
    elif kind == SLICE:
        yield from slice_flaws(raw)
    pod = pod_template(raw)
    if pod is not None:
        yield from _pod(pod[0], pod[1])


def _name(raw: RawObject) -> Iterator[Flaw]:
    metadata, at = struct_of(raw, "metadata"), ROOT.child("metadata")
    name, prefix = metadata.get("name"), metadata.get("generateName")
    if not name and not prefix:
        yield Flaw(at.child("name"), "must be set, or `generateName`", "give the object a name")
    elif isinstance(name, str) and name:
        yield from dns_subdomain(name, at.child("name"))
    elif isinstance(prefix, str) and prefix:
        yield from dns_subdomain(f"{prefix}x", at.child("generateName"))


def _devices(devices: RawObject, at: FieldPath, flat: bool) -> Iterator[Flaw]:
    requests = objects_of(devices, "requests", at)
    yield from within(devices, "requests", at, _MOST)
    yield from named_once(requests)
    for request, place in requests:
        yield from _request(request, place, flat)
    names = _request_names(requests)
    yield from _constraints(devices, at, names)
    yield from _configs(devices, at, names)


def _request_names(requests: Sequence[tuple[RawObject, FieldPath]]) -> frozenset[str]:
    """Return what constraints and configuration may name: `request`, and `request/subrequest`."""
    names = {str(request.get("name")) for request, _ in requests}
    for request, at in requests:
        for sub, _ in objects_of(request, "firstAvailable", at):
            names.add(f"{request.get('name')}/{sub.get('name')}")
    return frozenset(names)


_FLAT_FIELDS = ("deviceClassName", "selectors", "allocationMode", "count", "adminAccess", "tolerations", "capacity")


def _request(request: RawObject, at: FieldPath, flat: bool) -> Iterator[Flaw]:
    alternatives = objects_of(request, "firstAvailable", at)
    asked = any(request.get(name) is not None for name in _FLAT_FIELDS) if flat else request.get("exactly") is not None
    word = "`deviceClassName`" if flat else "`exactly`"
    misplaced = "exactly" in request if flat else any(name in request for name in _FLAT_FIELDS)
    if asked and alternatives:
        yield Flaw(at, f"must have {word} or `firstAvailable`, not both", f"keep one of {word} and `firstAvailable`")
    elif not asked and not alternatives and not misplaced:
        yield Flaw(at, f"must have {word} or `firstAvailable`", f"say what is asked for in {word}")
    yield from within(request, "firstAvailable", at, _MOST_ALTERNATIVES)
    yield from named_once(alternatives)
    if asked and flat:
        yield from _ask(request, at)
    elif asked:
        yield from _ask(struct_of(request, "exactly"), at.child("exactly"))
    for alternative, place in alternatives:
        if "exactly" not in alternative:
            yield from _ask(alternative, place)


def _ask(ask: RawObject, at: FieldPath) -> Iterator[Flaw]:
    name = ask.get("deviceClassName")
    if not name:
        yield Flaw(at.child("deviceClassName"), "must be set", "name a DeviceClass; `kubectl get deviceclasses`")
    elif isinstance(name, str):
        fix = "name a DeviceClass (`kubectl get deviceclasses`), not a resource of limits"
        yield from dns_subdomain(name, at.child("deviceClassName"), fix=fix)
    yield from _count(ask, at)
    yield from _selectors(ask, at)
    for toleration, place in objects_of(ask, "tolerations", at):
        yield from _toleration(toleration, place)


def _count(ask: RawObject, at: FieldPath) -> Iterator[Flaw]:
    mode, count = ask.get("allocationMode") or "ExactCount", ask.get("count")
    if isinstance(mode, str) and mode not in _MODES:
        yield _unknown_word("allocation mode", mode, at.child("allocationMode"), _MODES)
    if not isinstance(count, int) or isinstance(count, bool):
        return
    if mode == "All" and count:
        yield Flaw(
            at.child("count"),
            "must not be set with `allocationMode` 'All'",
            "drop it",
            (Edit(at.child("count"), None),),
        )
    elif mode == "ExactCount" and count < 0:
        yield Flaw(at.child("count"), "must be greater than 0", "ask for one device or more")


def _selectors(around: RawObject, at: FieldPath) -> Iterator[Flaw]:
    yield from within(around, "selectors", at, _MOST)
    for selector, place in objects_of(around, "selectors", at):
        if selector.get("cel") is None and "expression" not in selector:
            yield Flaw(place.child("cel"), "must be set", "write the condition in `cel.expression`")


def _toleration(toleration: RawObject, at: FieldPath) -> Iterator[Flaw]:
    key, value = toleration.get("key"), toleration.get("value")
    operator, effect = toleration.get("operator") or "Equal", toleration.get("effect") or ""
    if isinstance(key, str) and key:
        yield from label_key(key, at.child("key"))
    if operator not in _OPERATORS:
        yield _unknown_word("operator", operator, at.child("operator"), _OPERATORS)
    elif operator == "Exists" and value:
        yield Flaw(
            at.child("value"), "must be empty with operator 'Exists'", "drop it", (Edit(at.child("value"), None),)
        )
    elif isinstance(value, str) and not LABEL_VALUE.matches(value):
        yield Flaw(at.child("value"), f"must be {LABEL_VALUE.what}", "use the value of the taint")
    if effect and effect not in _EFFECTS:
        yield _unknown_word("effect", effect, at.child("effect"), _EFFECTS)


def _unknown_word(what: str, word: object, at: FieldPath, known: Sequence[str]) -> Flaw:
    """Say that a field takes other words, with the one that is meant or all of them."""
    near = nearest(word, known) if isinstance(word, str) else ()
    listed = " or ".join(f"'{one}'" for one in known)
    fix = f"did you mean '{near[0]}'?" if near else f"use {listed}"
    return Flaw(at, f"{what} '{word}' does not exist", fix, (Edit(at, near[0]),) if near else ())


def _constraints(devices: RawObject, at: FieldPath, names: frozenset[str]) -> Iterator[Flaw]:
    yield from within(devices, "constraints", at, _MOST)
    for constraint, place in objects_of(devices, "constraints", at):
        yield from _references(constraint, place, names)
        given = [name for name in ("matchAttribute", "distinctAttribute") if constraint.get(name) is not None]
        if not given:
            yield Flaw(place, "must have `matchAttribute` or `distinctAttribute`", "name the attribute")
        for name in given[:1]:  # with both, the API server looks at the first alone
            value = constraint[name]
            if isinstance(value, str):
                yield from _qualified(value, place.child(name))


def _qualified(name: str, at: FieldPath) -> Iterator[Flaw]:
    domain, slash, bare = name.partition("/")
    if not slash:
        yield Flaw(at, "must have a domain: 'domain/name'", f"write the driver's domain before it: 'DRIVER/{name}'")
    elif len(bare) > 32 or not C_IDENTIFIER.matches(bare):
        yield Flaw(
            at, f"what follows '/' must be {C_IDENTIFIER.what} of at most 32 characters", "use the drivers' name"
        )
    elif len(domain) > 63:
        yield Flaw(at, "the domain must have at most 63 characters", "use the driver's name")
    else:
        yield from dns_subdomain(domain, at)


def _references(around: RawObject, at: FieldPath, names: frozenset[str] | None) -> Iterator[Flaw]:
    """Requests that a constraint or configuration names must be there, each once."""
    listed = around.get("requests")
    if names is None or not isinstance(listed, list):
        return
    seen: set[str] = set()
    for position, name in enumerate(listed):
        if not isinstance(name, str):
            continue
        place = at.child("requests").index(position)
        if name not in names:
            near = nearest(name, names)
            known = ", ".join(f"'{known}'" for known in sorted(names)[:8])
            fix = f"did you mean '{near[0]}'?" if near else f"the requests are {known}"
            edits = (Edit(place, near[0]),) if near else ()
            yield Flaw(place, f"there is no request '{name}' in the claim", fix, edits)
        elif name in seen:
            yield Flaw(place, f"request '{name}' is named twice", "drop one", (Edit(place, None),))
        seen.add(name)


def _configs(around: RawObject, at: FieldPath, names: frozenset[str] | None) -> Iterator[Flaw]:
    yield from within(around, "config", at, _MOST)
    for config, place in objects_of(around, "config", at):
        yield from _references(config, place, names)
        opaque = config.get("opaque")
        if opaque is None:
            if "driver" not in config:
                yield Flaw(place.child("opaque"), "must be set", "write `driver` and `parameters` in `opaque`")
        elif isinstance(opaque, dict):
            yield from _opaque(opaque, place.child("opaque"))


def _opaque(opaque: RawObject, at: FieldPath) -> Iterator[Flaw]:
    driver, parameters = opaque.get("driver"), opaque.get("parameters")
    if not driver:
        yield Flaw(at.child("driver"), "must be set", "name the driver that reads the parameters")
    elif isinstance(driver, str):
        yield from dns_subdomain(driver.lower(), at.child("driver"), most=63)
    if parameters is None:
        yield Flaw(at.child("parameters"), "must be set", "write the driver's object, with `apiVersion` and `kind`")
    elif isinstance(parameters, dict) and len(json.dumps(parameters, ensure_ascii=False).encode()) > _PARAMETER_BYTES:
        yield Flaw(at.child("parameters"), "must have at most 10 KiB as JSON", "make it smaller")


_RESOURCE = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def _extended_resource(spec: RawObject, at: FieldPath) -> Iterator[Flaw]:
    name = spec.get("extendedResourceName")
    if not isinstance(name, str):
        return
    domain = name.partition("/")[0]
    native = domain == "kubernetes.io" or domain.endswith(".kubernetes.io") or name.startswith("requests.")
    if native or not _RESOURCE.fullmatch(name):
        yield Flaw(
            at.child("extendedResourceName"),
            "must be an extended resource: a domain outside kubernetes.io, '/', and a name",
            "write it as in limits, such as 'vendor.com/gpu'",
        )


def _pod(pod: RawObject, at: FieldPath) -> Iterator[Flaw]:
    spec, at = struct_of(pod, "spec"), at.child("spec")
    claims = objects_of(spec, "resourceClaims", at)
    yield from named_once(claims)
    for claim, place in claims:
        given = [name for name in ("resourceClaimName", "resourceClaimTemplateName") if claim.get(name) is not None]
        if len(given) != 1 and "source" not in claim:
            message = "must have `resourceClaimName` or `resourceClaimTemplateName`"
            message += ", not both" if given else ""
            yield Flaw(place, message, "name one claim, or one template")
        for name in given:
            if isinstance(claim[name], str):
                yield from dns_subdomain(claim[name], place.child(name))
    for field in ("initContainers", "containers"):
        for container, place in objects_of(spec, field, at):
            yield from _container_claims(struct_of(container, "resources"), place.child("resources"))


def _container_claims(resources: RawObject, at: FieldPath) -> Iterator[Flaw]:
    """A claim may be named once whole, or by different requests of it."""
    seen: dict[str, set[Any]] = {}
    for claim, place in objects_of(resources, "claims", at):
        name, request = str(claim.get("name")), claim.get("request") or ""
        others = seen.setdefault(name, set())
        if request in others or (others and (request == "" or "" in others)):
            yield Flaw(place, f"claim '{name}' is named twice", "name the claim once, or each of its requests once")
        others.add(request)
