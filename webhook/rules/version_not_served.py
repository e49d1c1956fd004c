"""version-not-served: an object in a version of the API that the server does not serve unless it is told to."""

from collections.abc import Iterator

from webhook.core.claims import CLAIM, FLAT_FIELDS, FLAT_VERSION, GROUP, TEMPLATE, Claim
from webhook.core.devices import CLASS
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.finding import Edit, Finding, Fix, Reason, Severity
from webhook.core.raw import RawObject
from webhook.core.shapes import SLICE
from webhook.core.suggest import explains, nearest
from webhook.inventory.case import Case

NAME = "version-not-served"

_SERVED = f"{GROUP}/v1"
_KINDS = (CLAIM, TEMPLATE, CLASS, SLICE, "DeviceTaintRule")
_BETA = frozenset({f"{GROUP}/v1beta2", FLAT_VERSION})


def check(case: Case) -> Iterator[Finding]:
    version = case.subject.api_version
    if version == _SERVED:
        return
    is_beta = version in _BETA
    off = "off by default" if is_beta else "not served"
    yield Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=ROOT.child("apiVersion"),
        message=f"'{version}' is {off} in Kubernetes {case.view.server.version}",
        why="an API server serves it only where its flag `--runtime-config` says so" if is_beta else "",
        fixes=(Fix(f"write '{_SERVED}'", _edits(case) if is_beta else ()),),
        reason=Reason.NOT_SUPPORTED,
    )


def unknown_kinds(raw: RawObject) -> Iterator[Finding]:
    """Yield what keeps a file's object from being of a kind that the API has: no version, or a kind misspelt."""
    api_version, kind = raw.get("apiVersion"), raw.get("kind")
    if api_version == GROUP:
        path, message, meant = ROOT.child("apiVersion"), f"'{GROUP}' is a group without a version", [_SERVED]
    elif str(api_version).startswith(f"{GROUP}/") and isinstance(kind, str) and kind not in _KINDS:
        path, message = ROOT.child("kind"), f"there is no kind '{kind}' in '{api_version}'"
        meant = [near for near in nearest(kind, _KINDS) if explains(near, kind)]
    else:
        return
    fixes = tuple(Fix(f"write '{right}'", (Edit(path, right),)) for right in meant)
    if fixes:
        yield Finding(NAME, Severity.WARN, path, message, fixes, reason=Reason.NOT_SUPPORTED)


def _edits(case: Case) -> tuple[Edit, ...]:
    """Return the edits that say exactly the same in v1; none where nothing does."""
    version = Edit(ROOT.child("apiVersion"), _SERVED)
    if case.subject.api_version != FLAT_VERSION or not isinstance(case.subject, Claim):
        return (version,)
    edits = [version]
    for device_request in case.subject.requests:
        moved = _moved(_at(case.raw, device_request.path), device_request.path)
        if moved is None:
            return ()
        edits += moved
    return tuple(edits)


def _moved(raw: RawObject, path: FieldPath) -> tuple[Edit, ...] | None:
    """Return the edits that nest the fields of a request; None where v1 has no such request, or v1beta1 has not."""
    flat = {name: raw[name] for name in FLAT_FIELDS if name in raw}
    if "exactly" in raw or bool(flat) == bool(raw.get("firstAvailable")):
        return None
    if not flat:
        return ()
    return (Edit(path.child("exactly"), flat), *(Edit(path.child(name), None) for name in flat))


def _at(raw: RawObject, path: FieldPath) -> RawObject:
    found: object = raw
    for step in path.steps:
        if isinstance(found, dict):
            found = found.get(step)
        else:
            found = found[step] if isinstance(found, list) and isinstance(step, int) else None
    return found if isinstance(found, dict) else {}
