"""A folder of manifests as a cluster: read whole, and read again where it has changed.

Changes are found by polling the files' stamps, which works on every file system and for mounted ConfigMaps. A file
that changes is read when its stamp has stood still for one poll, and one that has become unreadable keeps what it held
before: an editor that is just writing must not make a claim, and with it its charge, disappear.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from webhook.core.catalogue import DriverPack, StatedDriver
from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.errors import SettingsError
from webhook.core.fieldpath import ROOT
from webhook.core.raw import RawObject
from webhook.kube.gates import SNAPSHOT, ServerNote, inferred_gates, parse_note, server_truth
from webhook.kube.kinds import Kind, Projected, kind_of, projected
from webhook.kube.manifests import Document, Problem, read_documents
from webhook.kube.shipped import shipped_catalogue

SUFFIXES = (".yaml", ".yml", ".json")
_NAME = ROOT.child("metadata", "name")
_VERSION = ROOT.child("apiVersion")

Stamp = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What files do not say of the server and the drivers that they describe; the namespace is for objects without one.

    `catalogue` is what is documented of drivers.
    """

    kubernetes_version: str | None = None
    feature_gates: Mapping[str, bool] = field(default_factory=dict)
    namespace: str = "default"
    drivers: Mapping[str, StatedDriver] = field(default_factory=dict)
    catalogue: Mapping[str, DriverPack] = field(default_factory=shipped_catalogue)


@dataclass(frozen=True, slots=True)
class Contents:
    """What one file holds; it is readable if no document of it was left out because of its form.

    `note` is what a saved snapshot says of the server.
    """

    objects: tuple[Projected, ...] = ()
    problems: tuple[Problem, ...] = ()
    readable: bool = True
    note: ServerNote = field(default_factory=ServerNote)


@dataclass(frozen=True, slots=True)
class Reading:
    """The view of all files, what could not be used, and the claims that the reading before still had."""

    view: ClusterView
    problems: tuple[Problem, ...]
    gone: tuple[Claim, ...] = ()


def load_folder(
    paths: Sequence[Path],
    *,
    kubernetes_version: str | None = None,
    feature_gates: Mapping[str, bool] | None = None,
    namespace: str = "default",
    drivers: Mapping[str, StatedDriver] | None = None,
) -> tuple[ClusterView, tuple[Problem, ...]]:
    """Return the view of the manifests in folders and files together, and what in them could not be used.

    Raises SettingsError for a path that cannot be read at all.
    """
    reading = Folder(paths, Assumptions(kubernetes_version, feature_gates or {}, namespace, drivers or {})).read()
    return reading.view, reading.problems


class Folder:
    """Remembers each file's content by its stamp, so that reading again costs only what has changed."""

    def __init__(self, paths: Sequence[Path], assumptions: Assumptions) -> None:
        self._paths = tuple(paths)
        self._assumptions = assumptions
        self._contents: dict[str, Contents] = {}
        self._read_at: dict[str, Stamp] = {}
        self._seen: dict[str, Stamp] = {}
        self._claims: Mapping[Any, Claim] = {}
        self._view = ClusterView(given=True)

    def read(self) -> Reading:
        """Read all files, however young; SettingsError where a path is missing."""
        missing = tuple(f"--cluster: '{path}' does not exist" for path in self._paths if not path.exists())
        if missing:
            raise SettingsError(missing)
        self._seen = dict(self._stamps())
        return self._reread()

    def changed(self) -> Reading | None:
        """Return a new reading where files have changed and settled since the last one; None where nothing has."""
        if not all(path.exists() for path in self._paths):
            return None
        stamps = dict(self._stamps())
        settled = stamps == self._seen
        self._seen = stamps
        return self._reread() if settled and stamps != self._read_at else None

    def _reread(self) -> Reading:
        contents = {file: self._content(file, stamp) for file, stamp in self._seen.items()}
        self._read_at, self._contents = dict(self._seen), contents
        view, problems = _view_of(contents, self._assumptions, self._view)
        gone = tuple(claim for key, claim in self._claims.items() if _is_gone(claim, view.claims.get(key)))
        self._claims, self._view = view.claims, view
        return Reading(view, problems, gone)

    def _content(self, file: str, stamp: Stamp) -> Contents:
        before = self._contents.get(file)
        if before is not None and self._read_at.get(file) == stamp:
            return before
        fresh = _read_file(file, self._assumptions.namespace)
        if before is None or fresh.readable:
            return fresh
        found = {(read.kind.name, read.key) for read in fresh.objects}
        kept = (old for old in before.objects if (old.kind.name, old.key) not in found)
        return replace(fresh, objects=(*fresh.objects, *kept))

    def _stamps(self) -> Iterator[tuple[str, Stamp]]:
        for file in manifest_files(self._paths):
            try:
                status = file.stat()
            except OSError:
                continue  # it went away between listing and looking
            yield str(file), (status.st_mtime_ns, status.st_size, status.st_ino)


def _is_gone(claim: Claim, now: Claim | None) -> bool:
    return now is None or now.metadata.uid != claim.metadata.uid


def manifest_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield manifests in name order; hidden folders (`.git`, a ConfigMap's `..data`) are passed over."""
    visited: set[str] = set()
    for path in paths:
        if path.is_file():
            yield path
        for folder, inner, names in os.walk(path, followlinks=True):
            real = os.path.realpath(folder)
            inner[:] = [] if real in visited else sorted(name for name in inner if not name.startswith("."))
            if real not in visited:
                yield from (Path(folder, name) for name in sorted(names) if _is_manifest(name))
            visited.add(real)


def _is_manifest(name: str) -> bool:
    return name.endswith(SUFFIXES) and not name.startswith(".")


def _read_file(file: str, namespace: str) -> Contents:
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        return Contents((), (Problem(file, 1, "", f"cannot be read: {error.strerror}"),), readable=False)
    documents, problems = read_documents(file, content)
    objects: list[Projected] = []
    noted = list(problems)
    note = ServerNote()
    for document in documents:
        kind = kind_of(document.raw)
        if kind is not None:
            _keep(file, document, kind, namespace, objects, noted)
        elif document.raw["kind"] == SNAPSHOT:
            note = parse_note(document.raw)
    return Contents(tuple(objects), tuple(noted), readable=not problems, note=note)


def _keep(
    file: str, document: Document, kind: Kind, namespace: str, objects: list[Projected], problems: list[Problem]
) -> None:
    raw = _placed(document.raw, kind, namespace)
    served = [kind.api_version(version) for version in kind.versions]
    if raw["apiVersion"] not in served:
        listed = ", ".join(f"'{version}'" for version in served)
        problems.append(Problem(file, document.line_of(_VERSION), "apiVersion", f"must be one of {listed}"))
        return
    found = projected(raw, kind)
    if found.value is None:
        return
    problems.extend(Problem(file, document.line_of(m.path), str(m.path), m.message) for m in found.misfits)
    name = found.key[-1] if isinstance(found.key, tuple) else found.key
    if name:
        objects.append(found)
    elif not any(misfit.path == _NAME for misfit in found.misfits):
        problems.append(Problem(file, document.line_of(_NAME), str(_NAME), "must be set"))


def _placed(raw: RawObject, kind: Kind, namespace: str) -> RawObject:
    """Return the object in a namespace, where its kind lives in one."""
    metadata = raw.get("metadata")
    if not kind.namespaced or not isinstance(metadata, dict) or metadata.get("namespace"):
        return raw
    return {**raw, "metadata": {**metadata, "namespace": namespace}}


def _view_of(
    contents: Mapping[str, Contents], assumptions: Assumptions, before: ClusterView
) -> tuple[ClusterView, tuple[Problem, ...]]:
    fields: dict[str, dict[Any, object]] = {}
    problems: list[Problem] = []
    origin: dict[tuple[str, Any], str] = {}
    for file, content in contents.items():
        problems.extend(content.problems)
        for found in content.objects:
            place = (found.kind.name, found.key)
            if place in origin:
                said = f"{found.kind.name} '{_named(found)}' is in '{origin[place]}' as well; this one is used"
                problems.append(Problem(file, 1, "", said))
            origin[place] = file
            fields.setdefault(found.kind.field, {})[found.key] = found.value
    view = ClusterView(
        given=True, catalogue=assumptions.catalogue, drivers=assumptions.drivers, **_shared(fields, before)
    )
    gates = dict(inferred_gates(view.slices.values()))
    for content in contents.values():
        gates |= content.note.gates
    version = next((content.note.version for content in contents.values() if content.note.version), None)
    server = server_truth(
        assumptions.kubernetes_version or version, {**gates, **assumptions.feature_gates}, assume_defaults=True
    )
    return replace(view, server=server), tuple(problems)


def _shared(fields: Mapping[str, Mapping[Any, object]], before: ClusterView) -> dict[str, Any]:
    """Return the maps, those of the view before where nothing in them has changed: caches go by identity."""
    shared: dict[str, Any] = {}
    for name, objects in fields.items():
        old = getattr(before, name)
        same = old.keys() == objects.keys() and all(old[key] is value for key, value in objects.items())
        shared[name] = old if same else objects
    return shared


def _named(found: Projected) -> str:
    return "/".join(found.key) if isinstance(found.key, tuple) else found.key
