"""Files from which manifests are made: charts of Helm and sources of kustomize. What they make is migrated, not they.

A claim template beside a workload would be renamed by kustomize while the pod's reference to it is not, and a chart's
templates are no manifests yet.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import yaml

from webhook.kube.inputs import STDIN_NAME

_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_LISTS = ("resources", "bases", "components", "patchesStrategicMerge", "patchesJson6902", "patches", "crds")
_CHART = "Chart.yaml"
_CHART_FOLDERS = ("templates", "charts", "crds")
_MOST_PARENTS = 12
_LOADER: type[yaml.SafeLoader | yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Source:
    """The chart or kustomization that a file belongs to, and what to do about it."""

    root: str
    advice: str


def source_of(file: str) -> Source | None:
    """Return what a file is a source of; None where it is a manifest by itself, as standard input always is."""
    if file == STDIN_NAME:
        return None
    path = Path(file).absolute()
    for folder in list(path.parents)[:_MOST_PARENTS]:
        chart = folder / _CHART
        if chart.is_file() and _is_of_chart(path, folder):
            shown = _shown(file, path, folder)
            return Source(str(shown / _CHART), f"this is a chart: run `helm template {shown} | drawbridge migrate -`")
        name = _kustomization_of(path, folder)
        if name:
            shown = _shown(file, path, folder)
            advice = f"this is a source of kustomize: run `kubectl kustomize {shown} | drawbridge migrate -`"
            return Source(str(shown / name), advice)
    return None


def _shown(file: str, path: Path, folder: Path) -> Path:
    """Return a folder above a file as the file's name was written."""
    depth = len(path.relative_to(folder).parts)
    written = Path(file)
    return written.parents[depth - 1] if depth <= len(written.parents) else folder


def _is_of_chart(path: Path, folder: Path) -> bool:
    first, *rest = path.relative_to(folder).parts
    return first in _CHART_FOLDERS if rest else first == _CHART or first.startswith("values")


def _kustomization_of(path: Path, folder: Path) -> str:
    """Return the kustomization of a folder that a file is, or is named by; empty where there is none."""
    name = next((name for name in _KUSTOMIZATIONS if (folder / name).is_file()), "")
    if not name or path == folder / name:
        return name
    named = {(folder / entry).resolve() for entry in _entries(folder / name)}
    return "" if named.isdisjoint({path.resolve(), *path.resolve().parents}) else name


def _entries(file: Path) -> Iterator[str]:
    """Yield the paths that a kustomization names."""
    try:
        content = yaml.load(file.read_bytes(), _LOADER)  # noqa: S506  # both are safe loaders
    except (yaml.YAMLError, OSError):
        return
    for name in _LISTS:
        entries = content.get(name) if isinstance(content, dict) else None
        for entry in entries if isinstance(entries, list) else ():
            found = entry.get("path") if isinstance(entry, dict) else entry
            if isinstance(found, str) and "\n" not in found and "://" not in found:
                yield found
