"""`python -m tests.controlplane.build` builds etcd, Kubernetes' servers, kubectl, Helm and promtool from Go modules.

The first time takes about twelve minutes on two cores; later runs look at a stamp and return.
"""

import os
import re
import sys
from pathlib import Path

from tests.support.golang import BuildFailedError, GoBuild, ToolchainMissingError, cache_folder

MODULE = Path(__file__).parent
PROGRAMS = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
    "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
    "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
    "kubectl": "k8s.io/kubernetes/cmd/kubectl",
}


def control_plane() -> GoBuild:
    """The programs, in the Kubernetes version that go.mod requires."""
    found = re.search(r"k8s\.io/kubernetes (v(\d+)\.(\d+)\.\d+)", (MODULE / "go.mod").read_text())
    assert found, "go.mod requires no k8s.io/kubernetes"
    version, major, minor = found.groups()
    # Without these the servers say that they are v0.0.0, and kubectl warns of the skew.
    package = "k8s.io/component-base/version"
    names = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    linker = " ".join(f"-X {package}.{name}={value}" for name, value in names.items())
    return GoBuild(MODULE, PROGRAMS, cache_folder() / version, flags=("-ldflags", f"-s -w {linker}"))


def helm() -> GoBuild:
    """Helm, in the version that its go.mod requires."""
    return GoBuild(
        MODULE / "helm", {"helm": "helm.sh/helm/v4/cmd/helm"}, cache_folder() / "helm", flags=("-ldflags", "-s -w")
    )


def promtool() -> GoBuild:
    """promtool, which tests the alerts, without the clients of all clouds that Prometheus finds its targets in."""
    return GoBuild(
        MODULE / "promtool",
        {"promtool": "github.com/prometheus/prometheus/cmd/promtool"},
        cache_folder() / "promtool",
        flags=("-tags", "remove_all_sd", "-ldflags", "-s -w"),
    )


def main() -> int:
    """Build; where that is impossible say why, which is a failure only in CI (the tests are skipped elsewhere)."""
    try:
        control_plane().run()
        helm().run()
        promtool().run()
    except (ToolchainMissingError, BuildFailedError) as error:
        print(f"the control plane for the e2e tests was not built: {error}", file=sys.stderr)
        return 1 if os.environ.get("CI") else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
