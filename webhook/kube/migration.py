"""Rewrites the pods and pod templates of manifests, as text: what is not rewritten keeps every character."""

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from webhook.core.claims import TEMPLATE
from webhook.core.cluster import ClusterView
from webhook.core.fieldpath import ROOT, FieldPath
from webhook.core.mappings import is_extended
from webhook.core.pods import parse_pod, pod_template
from webhook.core.raw import EMPTY, RawObject
from webhook.core.workloads import hidden_limits, limits_of
from webhook.kube.fixing import edit_in_place
from webhook.kube.manifests import Problem, parts_of, read_documents, typed
from webhook.kube.rendered import source_of
from webhook.kube.yaml_edit import dashes_indented, dump, is_json, json_text
from webhook.kube.yaml_values import values_of
from webhook.rewrite.reasons import Code
from webhook.rewrite.refusals import LeftAlone
from webhook.rewrite.rewriting import Rewritten, rewrite
from webhook.rewrite.serving import unserved
from webhook.rewrite.templates import is_generated_name

_HELM = "this is a template of a chart: migrate what `helm template` prints, on standard input"
_KUSTOMIZE = "this is a source of kustomize: migrate what `kubectl kustomize` prints, on standard input"
_UNCHANGEABLE = "its text cannot be changed without loss: write it in a plainer way (no keys after `?`), or as JSON"
_SEPARATOR = "---"
_MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Migrated:
    """One pod or workload of a file; `raw` is as it was. The outcome is None where nothing in it is mapped.

    `unmapped` are the extended resources that it asks for and no mapping serves; `hidden` the mapped ones that are
    asked for somewhere inside an object of a kind that is not known here. `unreadable` says which field the API server
    cannot read, where that is why a pod that asks for a mapped one has no outcome.
    """

    file: str
    line: int
    raw: RawObject
    namespace: str
    outcome: Rewritten | LeftAlone | None
    unmapped: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    unreadable: str = ""


@dataclass(frozen=True, slots=True)
class Migration:
    """The text of one file after the migration, what became of its workloads, and what could not be read."""

    file: str
    before: str
    after: str
    workloads: tuple[Migrated, ...]
    problems: tuple[Problem, ...]


class Migrator:
    """Rewrites texts one after the other; a template that several workloads share is written once a namespace.

    `view` holds the mappings; reason codes in `ignored` are passed over.
    """

    def __init__(self, view: ClusterView, namespace: str, ignored: Collection[Code] = ()) -> None:
        self._view = view
        self._namespace = namespace
        self._ignored = ignored
        self._written: set[tuple[str, str]] = set()
        self._told: set[str] = set()

    def knows(self, raw: RawObject) -> None:
        """Note a template that the manifests hold already; it is not written again."""
        metadata = raw.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        if raw.get("kind") == TEMPLATE and isinstance(name, str) and is_generated_name(name):
            self._written.add((_written_namespace(raw), name))

    def migrate(self, file: str, content: bytes) -> Migration:
        """Return the file rewritten; a document that cannot be read is kept as it is and told.

        So is a source of kustomize or Helm; what to do is told once for each.
        """
        try:
            text = content.decode()
        except UnicodeDecodeError:
            return Migration(file, "", "", (), read_documents(file, content)[1])
        source = source_of(file)
        if source is not None:
            advice = () if source.root in self._told else (Problem(source.root, 1, "", source.advice),)
            self._told.add(source.root)
            return Migration(file, text, text, (), advice)
        pieces: list[str] = []
        workloads: list[Migrated] = []
        problems: list[Problem] = []
        mark = _MARK if text.startswith(_MARK) else ""
        for part, line in parts_of(text.removeprefix(mark)):
            documents, found = read_documents(file, part.encode())
            problems += [_advised(problem, line, part) for problem in found]
            if any(document.raw.get("kind") == "Kustomization" for document in documents):
                problems.append(Problem(file, line, "", _KUSTOMIZE))
            lines = {document.at: document.line_of(ROOT) + line - 1 for document in documents}
            rewritten, made = self._part(file, part, lines) if documents else (part, ())
            if rewritten is None:
                rewritten, made = part, ()
                problems.append(Problem(file, line, "", _UNCHANGEABLE))
            pieces += _with_templates(rewritten, tuple(self._templates(made))) if part else []
            workloads += made
        return Migration(file, text, mark + _joined(pieces), tuple(workloads), tuple(problems))

    def _part(self, file: str, part: str, lines: Mapping[FieldPath, int]) -> tuple[str | None, tuple[Migrated, ...]]:
        """Return one YAML document rewritten, None where its text cannot be changed; it may be a List of objects."""
        value, *others = values_of(part)
        if others:
            return part, ()  # documents that only `...` ends are none that kubectl would read
        made = []
        after = value
        for raw, at in _objects(value, ROOT):
            migrated = self._object(file, lines.get(at, 1), raw)
            if migrated is None:
                continue
            made.append(migrated)
            if isinstance(migrated.outcome, Rewritten):
                found = pod_template(raw)
                assert found is not None
                after = _put(after, (*at.steps, *found[1].steps), _tidy(found[0], migrated.outcome.pod))
        return part if value is after else edit_in_place(part, value, after), tuple(made)

    def _object(self, file: str, line: int, raw: RawObject) -> Migrated | None:
        namespace = _written_namespace(raw) or self._namespace
        found = pod_template(raw)
        if found is None:
            hidden = self._mapped(hidden_limits(raw), namespace)
            return Migrated(file, line, raw, namespace, None, hidden=hidden) if hidden else None
        pod, at = found
        outcome = rewrite(pod, namespace, self._view, at=at, any_mode=True, ignored=self._ignored)
        names = limits_of(pod)
        unreadable = "" if outcome or not self._mapped(names, namespace) else _misfit(pod, at)
        return Migrated(
            file, line, raw, namespace, outcome, unserved(names, namespace, self._view), unreadable=unreadable
        )

    def _mapped(self, names: Iterable[str], namespace: str) -> tuple[str, ...]:
        return tuple(name for name in names if is_extended(name) and not unserved((name,), namespace, self._view))

    def _templates(self, made: Collection[Migrated]) -> Iterator[dict[str, Any]]:
        """Yield the templates that workloads need and that are not written yet.

        They get the namespace that the workload itself names: without one both go where they are applied.
        """
        for migrated in made:
            if not isinstance(migrated.outcome, Rewritten):
                continue
            namespace = _written_namespace(migrated.raw)
            for template in migrated.outcome.made():
                if (namespace, template.name) not in self._written:
                    self._written.add((namespace, template.name))
                    yield template.manifest(namespace)


def _with_templates(part: str, manifests: Sequence[RawObject]) -> Iterator[str]:
    """Yield the templates and the document that needs them; of JSON one List, so that the file stays JSON."""
    if not manifests:
        yield part
    elif is_json(part):
        value = json.loads(part)
        is_list = value.get("kind") == "List" and isinstance(value.get("items"), list)
        whole = value if is_list else {"apiVersion": "v1", "kind": "List", "items": [value]}
        yield json_text({**whole, "items": [*manifests, *whole["items"]]}, like=part)
    else:
        indented = dashes_indented(part)
        for manifest in manifests:
            text = f"{_SEPARATOR}\n{dump(manifest, indented=indented)}"
            yield text.replace("\n", "\r\n") if "\r\n" in part else text
        yield part


def _misfit(pod: RawObject, at: FieldPath) -> str:
    """Return the first field of a pod that the API server cannot read, and why; empty where it can read all."""
    return next((f"`{misfit.path}` {misfit.message}" for misfit in parse_pod(pod, at).misfits), "")


def _written_namespace(raw: RawObject) -> str:
    metadata = raw.get("metadata")
    namespace = metadata.get("namespace") if isinstance(metadata, dict) else None
    return namespace if isinstance(namespace, str) else ""


def _objects(value: object, at: FieldPath) -> Iterator[tuple[RawObject, FieldPath]]:
    if not isinstance(value, dict):
        return
    items = value.get("items")
    if isinstance(items, list) and "spec" not in value:
        for index, item in enumerate(items):
            yield from _objects(typed(item, value), at.child("items").index(index))
    else:
        yield value, at


def _put(value: Any, steps: tuple[str | int, ...], new: object) -> Any:
    """Return the value with another part at a path; all beside the path is shared."""
    if not steps:
        return new
    step, rest = steps[0], steps[1:]
    if isinstance(value, list):
        return [_put(item, rest, new) if index == step else item for index, item in enumerate(value)]
    return {key: _put(item, rest, new) if key == step else item for key, item in value.items()}


def _tidy(before: RawObject, after: RawObject) -> RawObject:
    """Return the pod without limits, requests and resources of which nothing is left."""
    spec = dict(after["spec"])
    for field in ("initContainers", "containers"):
        if spec.get(field):
            olds = before["spec"][field]
            spec[field] = [_tidied(old, new) for old, new in zip(olds, spec[field], strict=True)]
    return {**after, "spec": spec}


def _tidied(old: RawObject, new: RawObject) -> RawObject:
    if old is new:
        return new
    was = old.get("resources") or EMPTY
    resources = {name: value for name, value in new["resources"].items() if value != {} or was.get(name) == {}}
    if resources:
        return {**new, "resources": resources}
    return {key: value for key, value in new.items() if key != "resources"}


def _joined(pieces: Iterable[str]) -> str:
    """Return the documents one after the other, with a marker before each that has none."""
    text = ""
    for piece in pieces:
        newline = "\r\n" if "\r\n" in piece else "\n"
        if text and not text.endswith("\n"):
            text += newline
        if text and not piece.startswith(_SEPARATOR):
            text += _SEPARATOR + newline
        text += piece
    return text


def _advised(problem: Problem, line: int, part: str) -> Problem:
    """Return the problem with its line in the file, and what to do where the text is no manifest but makes one."""
    message = f"{problem.message}; {_HELM}" if "{{" in part else problem.message
    return replace(problem, line=problem.line + line - 1, message=message)
