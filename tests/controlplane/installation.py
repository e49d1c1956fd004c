"""What deploy/ holds, on the control plane: CRDs, service accounts with their rights, webhooks to be installed."""

from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.controlplane.api import Json
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.webhooks import RESOURCES
from tests.support.golang import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
NAMESPACE = "drawbridge-system"
# Nobody runs containers here: the tests start the programs themselves.
RUN_BY_TESTS = {"Deployment", "PodDisruptionBudget", *RESOURCES}


@dataclass(frozen=True, slots=True)
class Installation:
    """What tests need of it: the webhook configurations as they are in deploy/, and who the two programs are."""

    webhooks: tuple[Json, ...]
    serve_kubeconfig: Path
    controller_kubeconfig: Path


def install(cluster: ControlPlane) -> Installation:
    """Apply deploy/crds and deploy/kustomize/base as docs tell users to, without workloads and webhooks."""
    crds = str(DEPLOY / "crds")
    cluster.kubectl("apply", "--server-side", "-f", crds)
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", crds)
    rendered = cluster.kubectl("kustomize", str(DEPLOY / "kustomize" / "base")).stdout
    manifests: list[Json] = list(yaml.safe_load_all(rendered))
    cluster.kubectl("apply", "-f", "-", manifests=[each for each in manifests if each["kind"] not in RUN_BY_TESTS])
    return Installation(
        webhooks=tuple(each for each in manifests if each["kind"] in RESOURCES),
        serve_kubeconfig=cluster.service_account_kubeconfig(NAMESPACE, "drawbridge"),
        controller_kubeconfig=cluster.service_account_kubeconfig(NAMESPACE, "drawbridge-controller"),
    )
