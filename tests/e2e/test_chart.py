"""The Helm chart makes what kustomize makes, for each Kubernetes that it is for, and refuses what is dangerous."""

import copy
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.controlplane.api import Json, path_of
from tests.controlplane.build import control_plane, helm
from tests.controlplane.chart import NAMESPACE, NEWEST, is_hook, objects, rendered, run_helm, without_hooks
from tests.controlplane.cluster import ControlPlane
from tests.support.chart_page import CHART, values
from tests.support.deployment import BASE, crds

pytestmark = pytest.mark.e2e

KUSTOMIZE = BASE.parent
MONITORING = "../monitoring"
MODE = "certificates.mode"
CERT_MANAGER = ("--api-versions", "cert-manager.io/v1", "--set", f"{MODE}=cert-manager")
OPERATOR = ("--api-versions", "monitoring.coreos.com/v1")
PROMETHEUS = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
MONITORED = ("serviceMonitor", "prometheusRule", "dashboard")
# What is installed: by an overlay, or by the base with a component; and by the chart's values.
WAYS: dict[str, tuple[str, Sequence[str]]] = {
    "as it comes": ("base", ()),
    "cert-manager": ("overlays/cert-manager", CERT_MANAGER),
    "provided certificates": ("components/provided-certificates", ("--set", f"{MODE}=provided")),
    "failing open": ("overlays/fail-open", ("--set", "webhooks.failurePolicyOverride=Ignore")),
    "autoscaling": ("components/autoscaling", ("--set", "webhook.autoscaling.enabled=true")),
    "high availability": (
        "overlays/high-availability",
        ("--set", "webhook.autoscaling.enabled=true,webhook.replicas=5,controller.replicas=3"),
    ),
    "host network": ("components/host-network", ("--set", "webhook.hostNetwork=true")),
    "monitored": (
        MONITORING,
        (
            *OPERATOR,
            "--set-json",
            f"networkPolicy.metricsFrom={json.dumps(PROMETHEUS)}",
            *(word for part in MONITORED for word in ("--set", f"monitoring.{part}.enabled=true")),
        ),
    ),
}
# Of these no schema is here.
FOREIGN = ("cert-manager.io/", "monitoring.coreos.com/")


@pytest.fixture(scope="module", autouse=True)
def _helm() -> None:
    if not (helm().is_done() and control_plane().is_done()):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("Helm is not built: run `make controlplane`")


def _kustomized(cluster: ControlPlane, folder: Path, path: str) -> list[Json]:
    """Return what an overlay makes, or a kustomization of the base and a component."""
    parts = {"resources": [path]} if path.startswith("overlays/") else {"resources": ["base"], "components": [path]}
    if path == "base":
        del parts["components"]
    relative = {key: [os.path.relpath(KUSTOMIZE / each, folder) for each in found] for key, found in parts.items()}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(relative))
    return list(yaml.safe_load_all(cluster.kubectl("kustomize", str(folder)).stdout))


def test_every_overlay_and_component_is_compared() -> None:
    there = {str(path.parent.relative_to(KUSTOMIZE)) for path in KUSTOMIZE.glob("*/*/kustomization.yaml")}
    of_overlays = {"components/cert-manager", "components/fail-open"}
    assert {path for path, _ in WAYS.values()} - {"base", MONITORING} == there - of_overlays


def _compared(manifests: Sequence[Json]) -> dict[tuple[str, str], Json]:
    """Return the objects by kind and name, without their labels and what only Helm reads."""
    found = {}
    for manifest in copy.deepcopy(list(manifests)):
        metadata = manifest["metadata"]
        metadata.pop("labels", None)
        metadata.get("annotations", {}).pop("helm.sh/resource-policy", None)
        metadata["annotations"] = metadata.get("annotations") or {}
        found[manifest["kind"], metadata["name"]] = manifest
    assert len(found) == len(manifests)
    return found


@pytest.mark.parametrize("way", WAYS)
def test_chart_and_kustomize_make_the_same_objects(cluster: ControlPlane, tmp_path: Path, way: str) -> None:
    """The chart does not make the namespace that it is installed in, and does make the CRDs."""
    path, options = WAYS[way]
    by_kustomize = _compared([*_kustomized(cluster, tmp_path, path), *crds()])
    del by_kustomize["Namespace", NAMESPACE]
    by_helm = _compared(without_hooks(objects(tmp_path, *options)))
    assert by_helm.keys() == by_kustomize.keys()
    for key, manifest in by_kustomize.items():
        assert by_helm[key] == manifest, key


def test_replicas_on_the_network_of_their_nodes_can_be_asked_for_their_certificate(tmp_path: Path) -> None:
    """No selector and no name of a port finds them; a CA that waits for their answer would never be replaced."""
    made = objects(tmp_path, "--set", "webhook.hostNetwork=true,webhook.port=9443")
    [policy] = [
        each for each in made if (each["kind"], each["metadata"]["name"]) == ("NetworkPolicy", "drawbridge-certs")
    ]
    assert {"ports": [{"port": 9443}]} in policy["spec"]["egress"]


@pytest.fixture
def privileged(cluster: ControlPlane) -> Iterator[None]:
    """Let our namespace admit pods with the ports of their node."""

    def enforce(standard: str) -> None:
        labels = {"pod-security.kubernetes.io/enforce": standard}
        cluster.api.patch("v1/namespaces", NAMESPACE, {"metadata": {"labels": labels}})

    enforce("privileged")
    yield
    enforce("restricted")


@pytest.mark.usefixtures("installation")
@pytest.mark.parametrize("way", WAYS)
def test_what_they_make_is_applied_without_a_warning(
    cluster: ControlPlane, tmp_path: Path, way: str, request: pytest.FixtureRequest
) -> None:
    """By server-side apply, unknown fields refused."""
    path, options = WAYS[way]
    query = {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "test", "force": "true"}
    if way == "host network":
        request.getfixturevalue("privileged")
    for made in (_kustomized(cluster, tmp_path, path), objects(tmp_path, *options)):
        known = [each for each in made if not each["apiVersion"].startswith(FOREIGN)]
        assert len(known) > 20
        for manifest in known:
            plural = re.sub("y$", "ie", manifest["kind"].lower()) + "s"
            metadata = manifest["metadata"]
            where = path_of(f"{manifest['apiVersion']}/{plural}", metadata.get("namespace"), metadata["name"])
            answer = cluster.api.send(
                "PATCH", where, manifest, query=query, content_type="application/apply-patch+yaml"
            )
            assert answer.warnings == (), (manifest["kind"], metadata["name"])


@pytest.mark.parametrize("version", ["1.34.0", "1.35.0", "1.36.0", "1.37.0", "1.36.2-eks-1234567"])
def test_each_kubernetes_gets_the_same(tmp_path: Path, version: str) -> None:
    linted = run_helm(tmp_path, "lint", "--strict", "--namespace", NAMESPACE, "--kube-version", version, str(CHART))
    assert linted.returncode == 0, linted.stdout + linted.stderr
    assert objects(tmp_path, kube_version=version) == objects(tmp_path)


def test_an_older_kubernetes_is_refused(tmp_path: Path) -> None:
    done = rendered(tmp_path, kube_version="1.33.9")
    assert done.returncode != 0
    assert "requires kubeVersion: >=1.34" in done.stderr


DANGEROUS = {
    "webhook.replicas=1": "`webhook.replicas` must be at least 2 while a webhook fails closed (validateClaims, ",
    "webhooks.validateClaims.timeoutSeconds=11": "`webhooks.validateClaims.timeoutSeconds` must be at most 10",
    "webhooks.mutatePods.timeoutSeconds=30": "`webhooks.mutatePods.timeoutSeconds` must be at most 10",
    "webhooks.validateDeviceClasses.failurePolicy=Fail": "`webhooks.validateDeviceClasses.failurePolicy` must be Ig",
    "webhooks.mutateDeviceClasses.failurePolicy=Fail": "`webhooks.mutateDeviceClasses.failurePolicy` must be Ignore",
    "webhook.drainSeconds=40": "`webhook.terminationGracePeriodSeconds` must be greater than `webhook.drainS",
    "webhook.drainSeconds=1": "`webhook.drainSeconds` must be at least 5",
    "webhook.port=443": "`webhook.port` must be at least 1024",
    "webhook.healthPort=80": "`webhook.healthPort` must be at least 1024",
    "webhook.healthPort=8443": "`webhook.port` and `webhook.healthPort` must differ",
    "webhook.hostNetwork=true,webhook.port=10250": "`webhook.port` may not be 10250 while `webhook.hostNetwork`",
    "certificates.mode=cert-manager": "needs cert-manager in the cluster",
    "settings.port=9443": "`settings.port` is set by the chart",
    f"fullnameOverride={'x' * 53}": "must be at most 52 characters",
    "webhook.autoscaling.enabled=true,webhook.autoscaling.maxReplicas=2": "`webhook.autoscaling.maxReplicas` must be a",
    "webhook.replicas=15": "`priorityQuota.pods` must be at least 21, it is 20",
    "monitoring.serviceMonitor.enabled=true": "`monitoring.serviceMonitor` needs the Prometheus operator",
    "monitoring.prometheusRule.enabled=true": "`monitoring.prometheusRule` needs the Prometheus operator",
}
NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")


@pytest.mark.parametrize("setting", DANGEROUS)
def test_a_dangerous_setting_is_refused_with_what_to_write_instead(tmp_path: Path, setting: str) -> None:
    done = rendered(tmp_path, "--set", setting)
    assert done.returncode != 0
    assert DANGEROUS[setting] in done.stderr
    assert "\n  fix: " in done.stderr


def test_metrics_that_nobody_may_read_are_not_offered_to_prometheus(tmp_path: Path) -> None:
    done = rendered(tmp_path, *OPERATOR, "--set", "monitoring.serviceMonitor.enabled=true")
    assert done.returncode != 0
    assert "`networkPolicy.metricsFrom` must name who reads the metrics" in done.stderr


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_the_systems_namespaces_are_no_place_for_it(tmp_path: Path, namespace: str) -> None:
    done = rendered(tmp_path, namespace=namespace)
    assert done.returncode != 0
    assert f"the namespace may not be '{namespace}'" in done.stderr


@pytest.mark.parametrize(
    "setting",
    [
        "webhook.replica=3",
        "webhooks.failurePolicyOverride=Fail",
        "webhook.replicas=many",
        "webhooks.validatePod.enabled=true",
        "settings.doc_url=x",
    ],
)
def test_what_is_no_value_is_refused_by_the_schema(tmp_path: Path, setting: str) -> None:
    done = rendered(tmp_path, "--set", setting)
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr


def test_fm_08_one_replica_may_serve_where_everything_fails_open(tmp_path: Path) -> None:
    made = objects(tmp_path, "--set", "webhook.replicas=1,webhooks.failurePolicyOverride=Ignore")
    policies = {w["failurePolicy"] for each in made for w in each.get("webhooks", ())}
    assert policies == {"Ignore"}


def test_fm_01_namespaces_can_be_added_to_the_exempt_and_never_taken_away(tmp_path: Path) -> None:
    options = ("--set", "webhooks.excludedNamespaces={cni,kube-system},webhooks.namespaceSelector.matchLabels.gpu=yes")
    webhooks = [w for each in objects(tmp_path, *options) for w in each.get("webhooks", ())]
    selectors = [w["namespaceSelector"] for w in webhooks if "namespaceSelector" in w]
    assert len(selectors) == 6
    for selector in selectors:
        assert selector["matchLabels"] == {"gpu": "yes"}
        [exempt] = selector["matchExpressions"]
        assert exempt["values"] == ["kube-system", "kube-public", "kube-node-lease", NAMESPACE, "cni"]


# Of each value something that is not its default, and what of it is to be seen in what is made.
SET: dict[str, tuple[Any, str]] = {
    "fullnameOverride": ("moat", "name: moat-certs"),
    "commonLabels": ({"l": "common-l"}, "l: common-l"),
    "image.repository": ("registry.example.com/moat", 'image: "registry.example.com/moat@sha256:'),
    "image.digest": (f"sha256:{'ab' * 32}", "abab"),
    "image.pullPolicy": ("Always", "imagePullPolicy: Always"),
    "imagePullSecrets": ([{"name": "pull-s"}], "name: pull-s"),
    "podLabels": ({"l": "pod-l"}, "l: pod-l"),
    "podAnnotations": ({"a": "pod-a"}, "a: pod-a"),
    "extraEnv": ([{"name": "OTEL_SERVICE_NAME", "value": "of-traces"}], "value: of-traces"),
    "nodeSelector": ({"rack": "node-s"}, "rack: node-s"),
    "tolerations": ([{"key": "tolerated"}], "key: tolerated"),
    "affinity": ({"nodeAffinity": {"preferred": "affine"}}, "preferred: affine"),
    "priorityClassName": ("of-mine", "priorityClassName: of-mine"),
    "priorityQuota.pods": (21, 'pods: "21"'),
    "settings": ({"docs_url": "https://example.com/docs"}, "docs_url: https://example.com/docs"),
    "webhook.replicas": (4, "minReplicas: 4"),
    "webhook.autoscaling.maxReplicas": (8, "maxReplicas: 8"),
    "webhook.autoscaling.targetCPU": ("650m", "averageValue: 650m"),
    "webhook.port": (10250, "--port=10250"),
    "webhook.healthPort": (8082, "--health-port=8082"),
    "webhook.drainSeconds": (13, "--drain-seconds=13"),
    "webhook.terminationGracePeriodSeconds": (46, "terminationGracePeriodSeconds: 46"),
    "webhook.topologyKeys": (["example.com/rack"], "topologyKey: example.com/rack"),
    "webhook.resources": ({"limits": {"memory": "601Mi"}}, "memory: 601Mi"),
    "webhook.extraArgs": (["--tls-min-version=1.2"], '"--tls-min-version=1.2"'),
    "webhook.extraVolumes": ([{"name": "callers", "configMap": {"name": "caller-ca"}}], "name: caller-ca"),
    "webhook.extraVolumeMounts": ([{"name": "callers", "mountPath": "/callers"}], "mountPath: /callers"),
    "controller.replicas": (5, "replicas: 5"),
    "controller.resources": ({"limits": {"memory": "602Mi"}}, "memory: 602Mi"),
    "controller.extraArgs": (["--reservation-seconds=91"], '"--reservation-seconds=91"'),
    "certificates.resources": ({"limits": {"memory": "603Mi"}}, "memory: 603Mi"),
    "certificates.extraArgs": (["--settle-seconds=121"], '"--settle-seconds=121"'),
    "webhooks.annotations": ({"a": "webhook-a"}, "a: webhook-a"),
    "monitoring.labels": ({"release": "kube-p"}, "release: kube-p"),
    "networkPolicy.metricsFrom": ([{"podSelector": {"matchLabels": {"m": "metrics"}}}], "m: metrics"),
    "networkPolicy.apiServerPorts": ([7443], "port: 7443"),
    "networkPolicy.extraEgress": ([{"ports": [{"port": 4317}]}], "port: 4317"),
}
# Each is the subject of another test of this file, or off in the one below.
ELSEWHERE = {"certificates.mode", "webhooks.failurePolicyOverride", "webhooks.excludedNamespaces"}
ELSEWHERE |= {"webhooks.namespaceSelector", "image.tag", "webhook.hostNetwork"}


def _nested(paths: dict[str, Any]) -> Json:
    nested: Json = {}
    for path, value in paths.items():
        *above, last = path.split(".")
        place = nested
        for name in above:
            place = place.setdefault(name, {})
        place[last] = value
    return nested


def _with_values(folder: Path, paths: dict[str, Any]) -> str:
    file = folder / "values.json"
    file.write_text(json.dumps(_nested(paths)))
    done = rendered(folder, *OPERATOR, "--values", str(file))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_value_is_seen_in_what_is_made(tmp_path: Path) -> None:
    known = {path for path, _, _ in values(CHART / "values.yaml")}
    webhooks = {
        path: value
        for path, value, _ in values(CHART / "values.yaml")
        if path.startswith("webhooks.") and path.count(".") == 2
    }
    timeouts = {path: 6 for path in webhooks if path.endswith(".timeoutSeconds")}
    policies = {path: "Fail" for path in webhooks if path.endswith(".failurePolicy") and "DeviceClasses" not in path}
    of_classes = {path for path in webhooks if path.endswith(".failurePolicy") and "DeviceClasses" in path}
    switches = {path for path in known if path.endswith((".enabled", ".install"))}
    assert known == SET.keys() | timeouts.keys() | policies.keys() | of_classes | switches | ELSEWHERE
    shown = {path: value for path, (value, _) in SET.items()}
    made = _with_values(tmp_path, {**dict.fromkeys(switches, True), **shown, **timeouts, **policies})
    assert [path for path, (_, seen) in SET.items() if seen not in made] == []
    registered = [w for each in yaml.safe_load_all(made) for w in (each or {}).get("webhooks", ())]
    assert {w["timeoutSeconds"] for w in registered} == {6}
    assert {w["name"] for w in registered if w["failurePolicy"] == "Ignore"} == {
        "deviceclasses.mutate.drawbridge.dev",
        "deviceclasses.validate.drawbridge.dev",
    }
    off = yaml.safe_load_all(_with_values(tmp_path, dict.fromkeys(switches, False)))
    left = [each for each in off if each]
    assert [w for each in left for w in each.get("webhooks") or ()] == []
    assert not {"CustomResourceDefinition", "NetworkPolicy", "ResourceQuota"} & {each["kind"] for each in left}
    assert not any(map(is_hook, left))
    assert 'image: "drawbridge:9.9"' in _with_values(tmp_path, {"image.tag": "9.9"})


def test_a_package_of_the_chart_makes_the_same(tmp_path: Path) -> None:
    """CRDs and alerts are links in the chart; a package has what they lead to."""
    packed = run_helm(tmp_path, "package", str(CHART), "--destination", str(tmp_path))
    assert packed.returncode == 0, packed.stderr
    (package,) = tmp_path.glob("*.tgz")
    options = ("--namespace", NAMESPACE, "--kube-version", NEWEST)
    made = run_helm(tmp_path, "template", "drawbridge", str(package), *options)
    assert list(yaml.safe_load_all(made.stdout)) == list(yaml.safe_load_all(rendered(tmp_path).stdout))


def test_certificates_are_of_the_name_that_the_release_has(tmp_path: Path) -> None:
    """The program finds Service, Secrets and configurations by it."""
    made = without_hooks(objects(tmp_path, "--set", "fullnameOverride=moat"))
    names = {(each["kind"], each["metadata"]["name"]) for each in made}
    assert {("Service", "moat"), ("Secret", "moat-tls"), ("Secret", "moat-ca")} <= names
    assert {("MutatingWebhookConfiguration", "moat"), ("ValidatingWebhookConfiguration", "moat")} <= names
    arguments = [
        argument
        for each in made
        if each["kind"] == "Deployment"
        for argument in each["spec"]["template"]["spec"]["containers"][0]["args"]
    ]
    assert {"--cert-secret=moat-tls", "--installation-name=moat"} <= set(arguments)
    named = [n for each in made for rule in each.get("rules", ()) for n in rule.get("resourceNames", ())]
    assert set(named) == {"moat", "moat-tls", "moat-ca", "moat-certs", "drawbridge-controller"}


def test_fm_15_nothing_is_made_at_random(tmp_path: Path) -> None:
    """Who compares what is rendered with what is installed, such as Argo CD, has nothing to correct."""
    made = rendered(tmp_path).stdout
    assert made == rendered(tmp_path).stdout
    assert "caBundle:" not in made
