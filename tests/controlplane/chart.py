"""The chart of deploy/helm, rendered and installed by Helm itself."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import yaml

from tests.controlplane.api import Json
from tests.controlplane.build import helm
from tests.controlplane.shell import complaints
from tests.support.chart_page import CHART

NAMESPACE = "drawbridge-system"
NEWEST = "1.37.0"


def environment(folder: Path) -> dict[str, str]:
    """What a shell needs to run `helm` with its files in a folder."""
    homes = {f"HELM_{name}_HOME": str(folder / f"helm-{name}".lower()) for name in ("CACHE", "CONFIG", "DATA")}
    return {**os.environ, **homes, "PATH": f"{helm().program('helm').parent}:{os.environ['PATH']}"}


def run_helm(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Helm on nobody's cluster."""
    nowhere = {"KUBECONFIG": str(folder / "none")}
    return subprocess.run(
        ["helm", *arguments],
        env={**environment(folder), **nowhere},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def rendered(
    folder: Path, *options: str, kube_version: str = NEWEST, namespace: str = NAMESPACE, release: str = "drawbridge"
) -> subprocess.CompletedProcess[str]:
    """Run `helm template` on the chart."""
    place = ("--namespace", namespace, "--kube-version", kube_version)
    return run_helm(folder, "template", release, str(CHART), *place, *options)


def objects(folder: Path, *options: str, kube_version: str = NEWEST) -> list[Json]:
    """Return what the chart makes; AssertionError where it makes nothing or complains."""
    done = rendered(folder, *options, kube_version=kube_version)
    assert done.returncode == 0, done.stderr
    assert complaints(done.stderr) == []
    return [each for each in yaml.safe_load_all(done.stdout) if each]


def is_hook(manifest: Json) -> bool:
    """Return whether Helm makes the object only for the length of one command."""
    return "helm.sh/hook" in manifest["metadata"].get("annotations", {})


def without_hooks(manifests: Sequence[Json]) -> list[Json]:
    """Return what stays installed."""
    return [each for each in manifests if not is_hook(each)]
