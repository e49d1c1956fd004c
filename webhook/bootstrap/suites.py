"""Suites of policy tests in files: with their policies, fixtures and objects, or with what is wrong with them."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from webhook.bootstrap.offline import overlaid
from webhook.cel.patterns import pattern_error
from webhook.core.cluster import ClusterView
from webhook.core.errors import SettingsError
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.finding import Finding
from webhook.core.policies import KIND as POLICY
from webhook.core.policies import ClaimPolicy
from webhook.core.policies_parse import parse_policy
from webhook.core.raw import RawObject
from webhook.core.suggest import nearest
from webhook.core.suites import KIND, Suite, SuiteCase, merged, parse_suite
from webhook.core.versions import NEWEST
from webhook.endpoints import DRA_KINDS, OWN_KINDS, POD_KINDS, WORKLOAD_KINDS
from webhook.kube.folder import load_folder, manifest_files
from webhook.kube.kinds import OWN_GROUP, OWN_VERSION, kind_of
from webhook.kube.manifests import Document, Problem, read_documents
from webhook.policy.compile import compile_policy

_VERSION = f"{OWN_GROUP}/{OWN_VERSION}"
_JUDGED = DRA_KINDS | POD_KINDS | WORKLOAD_KINDS | OWN_KINDS
_DEFAULT_NAMESPACE = "default"


@dataclass(frozen=True, slots=True, eq=False)
class PlacedPolicy:
    """A policy that a suite tests, and where it is written."""

    policy: ClaimPolicy
    document: Document


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A case ready to be judged: the whole object, in its namespace, and the cluster around it."""

    case: SuiteCase
    object: RawObject
    old: RawObject | None
    namespace: str
    view: ClusterView


@dataclass(frozen=True, slots=True, eq=False)
class PlacedSuite:
    """A suite with its place; with problems it cannot be run."""

    document: Document
    suite: Suite
    policies: tuple[PlacedPolicy, ...] = ()
    cases: tuple[Prepared, ...] = ()
    problems: tuple[Problem, ...] = ()
    files: frozenset[Path] = field(default_factory=frozenset)

    @property
    def file(self) -> str:
        return self.document.file

    def line_of(self, case: SuiteCase) -> int:
        return self.document.line_of(case.path.child("name"))


def load_suites(paths: Iterable[Path]) -> tuple[tuple[PlacedSuite, ...], tuple[Problem, ...]]:
    """Return the suites of folders and files, and what in these could not be read.

    SettingsError where a path does not exist, or there is no suite at all: nothing tested is no success.
    """
    listed = tuple(paths)
    missing = tuple(f"'{path}' does not exist" for path in listed if not path.exists())
    if missing:
        raise SettingsError(missing)
    found: list[PlacedSuite] = []
    problems: list[Problem] = []
    for file in manifest_files(listed):
        documents, broken = read_documents(str(file), file.read_bytes())
        problems += broken
        for document in documents:
            if _is_suite(document.raw):
                found.append(_Loading(document).loaded())
            elif str(document.raw["apiVersion"]) == _VERSION and nearest(document.raw["kind"], (KIND,)):
                said = f"there is no kind '{document.raw['kind']}'"
                line = document.line_of(ROOT.child("kind"))
                problems.append(Problem(str(file), line, "kind", said, fix=f"did you mean `{KIND}`?"))
    if not found and not problems:
        where = ", ".join(str(path) for path in listed)
        raise SettingsError((f"there is no {KIND} in {where}: write one, with apiVersion {_VERSION}",))
    return tuple(found), tuple(problems)


def _is_suite(raw: RawObject) -> bool:
    return raw.get("apiVersion") == _VERSION and raw.get("kind") == KIND


class _UnusableError(Exception):
    """A part of a suite that cannot be used: its place, the problem and what mends it."""

    def __init__(self, path: FieldPath, message: str, fix: str) -> None:
        super().__init__(message)
        self.path = path
        self.fix = fix


class _Loading:
    """One suite on its way."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._suite = parse_suite(document.raw)
        self._folder = Path(document.file).parent
        self._problems = [self._problem(flaw.path, flaw.message, flaw.fix) for flaw in self._suite.flaws]
        self._files = {Path(document.file)}
        self._views: dict[tuple[object, ...], ClusterView] = {}

    def loaded(self) -> PlacedSuite:
        policies = tuple(self._policies())
        cases: list[Prepared] = []
        for case in self._suite.cases:
            self._check_pattern(case)
            try:
                cases.append(self._prepared(case, policies))
            except _UnusableError as error:
                self._problems.append(self._problem(error.path, str(error), error.fix))
        problems = tuple(dict.fromkeys(self._problems))
        return PlacedSuite(
            self._document,
            self._suite,
            policies,
            () if problems else tuple(cases),
            problems,
            frozenset(self._files),
        )

    def _problem(self, path: FieldPath, message: str, fix: str = "") -> Problem:
        place = self._document.position(path)
        return Problem(self._document.file, place.line, str(path), message, place.column, fix=fix)

    def _check_pattern(self, case: SuiteCase) -> None:
        error = pattern_error(case.expect.matches or "")
        if error:
            path = case.path.child("expect", "matches")
            self._problems.append(self._problem(path, f"must be a pattern of RE2: {error}", "escape what is meant"))

    def _policies(self) -> Iterable[PlacedPolicy]:
        path = ROOT.child("spec", "policies")
        version = self._suite.kubernetes_version or NEWEST
        for position, name in enumerate(self._suite.policies):
            try:
                documents = tuple(self._read(name, path.index(position)))
            except _UnusableError as error:
                self._problems.append(self._problem(error.path, str(error), error.fix))
                continue
            found = [document for document in documents if document.raw.get("kind") == POLICY]
            if not found:
                said = f"must be a file or folder with a {POLICY}, and '{name}' has none"
                self._problems.append(self._problem(path.index(position), said, "name the policy's file"))
            for document in found:
                policy = parse_policy(document.raw)
                for flaw in compile_policy(policy, version).flaws:
                    self._problems.append(problem_of(document, flaw))
                yield PlacedPolicy(policy, document)

    def _read(self, name: str, path: FieldPath) -> Iterator[Document]:
        for file in manifest_files((self._path(name, path),)):
            self._files.add(file)
            documents, problems = read_documents(str(file), file.read_bytes())
            self._problems += problems
            yield from documents

    def _path(self, name: str, path: FieldPath) -> Path:
        found = self._folder / name
        if not found.exists():
            raise _UnusableError(path, f"'{name}' does not exist", "paths begin at the folder of the suite")
        return found

    def _prepared(self, case: SuiteCase, policies: Iterable[PlacedPolicy]) -> Prepared:
        raw = self._object(case.object, case.path.child("object"))
        if not isinstance(raw.get("apiVersion"), str) or not isinstance(raw.get("kind"), str):
            fix = "write them, or a `base` in the suite that has them"
            raise _UnusableError(case.path, "`object` must have `apiVersion` and `kind`", fix)
        if (str(raw["apiVersion"]).rpartition("/")[0], raw["kind"]) not in _JUDGED:
            fix = "test claims, templates, classes, pods, workloads or objects of Drawbridge's own"
            raise _UnusableError(case.path, f"objects of kind '{raw['kind']}' are not judged", fix)
        kind = kind_of(raw)
        metadata = raw.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        namespace = ""
        if kind is None or kind.namespaced:
            written = metadata.get("namespace")
            namespace = case.namespace or (written if isinstance(written, str) else "")
            namespace = namespace or self._suite.namespace or _DEFAULT_NAMESPACE
            metadata = {**metadata, "namespace": namespace}
        raw = {**raw, "metadata": metadata}
        old = None if case.old is None else self._object(case.old, case.path.child("oldObject"))
        return Prepared(case, raw, old, namespace, self._view(case, namespace, policies))

    def _object(self, written: RawObject | str, path: FieldPath) -> RawObject:
        """Return the object of a case: merged over the base, unless it is of another kind."""
        if isinstance(written, str):
            documents = tuple(self._read(written, path))
            if len(documents) != 1:
                raise _UnusableError(path, f"'{written}' must hold one object", "name a file with one object")
            written = documents[0].raw
        base = self._suite.base
        if "kind" in written and written["kind"] != base.get("kind"):
            return written
        whole = merged(base, written)
        return whole if isinstance(whole, dict) else written

    def _view(self, case: SuiteCase, namespace: str, policies: Iterable[PlacedPolicy]) -> ClusterView:
        at = ROOT.child("spec", "cluster")
        parts = [(part, at.index(position)) for position, part in enumerate(self._suite.cluster)]
        parts += [(part, case.path.child("cluster").index(position)) for position, part in enumerate(case.cluster)]
        version = case.kubernetes_version or self._suite.kubernetes_version
        paths = tuple(self._path(part, path) for part, path in parts if isinstance(part, str))
        inline = [part for part, _ in parts if isinstance(part, dict)]
        key = (paths, version, namespace if inline else "", *map(id, inline))
        if key not in self._views:
            self._files.update(manifest_files(paths))
            self._views[key] = self._made(paths, inline, version, namespace, policies)
        return self._views[key]

    def _made(
        self,
        paths: tuple[Path, ...],
        inline: Sequence[RawObject],
        version: str,
        namespace: str,
        policies: Iterable[PlacedPolicy],
    ) -> ClusterView:
        view, problems = load_folder(paths, kubernetes_version=version or None, namespace=self._suite.namespace)
        self._problems += problems
        view = overlaid(replace(view, given=bool(paths or inline)), inline, namespace)
        return replace(view, policies={**view.policies, **{one.policy.name: one.policy for one in policies}})


def problem_of(document: Document, finding: Finding) -> Problem:
    """Return what is wrong with an object, at its place in the file."""
    found = document.extract(finding.path, finding.span)
    fix = finding.fixes[0].message if finding.fixes else ""
    return Problem(
        document.file,
        found.position.line,
        str(finding.path),
        f"{finding.message} [{finding.rule}]",
        found.position.column,
        fix=fix,
    )
