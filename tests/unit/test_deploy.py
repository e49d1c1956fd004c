"""What must hold of the manifests in deploy/, whoever edits them: what broke clusters elsewhere is asserted here."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from click import Context

from tests.support.deployment import BASE, Manifest, base, crds, grants, of_kind, webhooks
from webhook.cli import main
from webhook.kube.claims_kept import SERVING
from webhook.kube.claims_seen import STORED_CLAIMS
from webhook.kube.controller import VIEWED
from webhook.kube.kinds import KINDS, OWN_GROUP, OWN_VERSION, Kind
from webhook.kube.pods_seen import GENERATED_TEMPLATES, PODS
from webhook.kube.policy_status import POLICY_SPECS

SYSTEM = {"kube-system", "kube-public", "kube-node-lease", "drawbridge-system"}
NAMES = {
    "ClaimPolicy": "Cluster",
    "ClaimPolicyParameters": "Namespaced",
    "ClusterDeviceQuota": "Cluster",
    "DeviceInventory": "Cluster",
    "DeviceQuota": "Namespaced",
    "LegacyMapping": "Cluster",
}
CREATE, UPDATE = "CREATE", "UPDATE"
DRA = ("v1", "v1beta2", "v1beta1")


def _webhook(name: str) -> Manifest:
    return next(webhook for _, webhook in webhooks() if webhook["name"] == name)


def _rules(webhook: Manifest) -> set[tuple[str, str, str, str]]:
    """Each (group, version, resource, operation) that reaches the webhook."""
    return {
        (group, version, resource, operation)
        for rule in webhook["rules"]
        for group in rule["apiGroups"]
        for version in rule["apiVersions"]
        for resource in rule["resources"]
        for operation in rule["operations"]
    }


def _all(groups: str, versions: tuple[str, ...], resources: tuple[str, ...], *operations: str) -> set[Any]:
    return {(groups, version, resource, op) for version in versions for resource in resources for op in operations}


CLAIMS = _all("resource.k8s.io", DRA, ("resourceclaims", "resourceclaimtemplates"), CREATE)
CLASSES = _all("resource.k8s.io", DRA, ("deviceclasses",), CREATE, UPDATE)
POD_RULES = _all("", ("v1",), ("pods",), CREATE)
WORKLOADS = _all("apps", ("v1",), ("deployments", "statefulsets", "daemonsets"), CREATE, UPDATE) | _all(
    "batch", ("v1",), ("jobs", "cronjobs"), CREATE, UPDATE
)
OURS = _all(
    "drawbridge.dev",
    ("v1alpha1",),
    ("claimpolicies", "clusterdevicequotas", "deviceinventories", "devicequotas", "legacymappings"),
    CREATE,
    UPDATE,
)
REGISTERED = {
    "claims.mutate.drawbridge.dev": ("/mutate/claims", CLAIMS, "Ignore", "None"),
    "deviceclasses.mutate.drawbridge.dev": ("/mutate/claims", CLASSES, "Ignore", "None"),
    "pods.mutate.drawbridge.dev": ("/mutate/pods", POD_RULES, "Ignore", "None"),
    "claims.validate.drawbridge.dev": ("/validate/claims", CLAIMS, "Fail", "NoneOnDryRun"),
    "deviceclasses.validate.drawbridge.dev": ("/validate/claims", CLASSES, "Ignore", "None"),
    "pods.validate.drawbridge.dev": ("/validate/pods", POD_RULES, "Ignore", "None"),
    "workloads.validate.drawbridge.dev": ("/validate/workloads", WORKLOADS, "Ignore", "None"),
    "config.validate.drawbridge.dev": ("/validate/config", OURS, "Fail", "None"),
}


# The CRDs


def test_each_of_our_kinds_has_its_crd() -> None:
    found = {crd["spec"]["names"]["kind"]: crd["spec"]["scope"] for crd in crds()}
    assert found == NAMES


def test_the_reader_asks_for_our_kinds_by_the_names_that_the_crds_serve() -> None:
    served = {(crd["spec"]["names"]["kind"], crd["spec"]["names"]["plural"], crd["spec"]["scope"]) for crd in crds()}
    read = {(k.name, k.plural, "Namespaced" if k.namespaced else "Cluster") for k in KINDS if k.group == OWN_GROUP}
    assert read
    assert read <= served


@pytest.mark.parametrize("crd", crds(), ids=lambda crd: crd["metadata"]["name"])
def test_a_crd_serves_one_version_with_status_columns_and_a_category(crd: Manifest) -> None:
    spec = crd["spec"]
    assert crd["metadata"]["name"] == f"{spec['names']['plural']}.{OWN_GROUP}"
    assert spec["group"] == OWN_GROUP
    [version] = spec["versions"]
    assert (version["name"], version["served"], version["storage"]) == (OWN_VERSION, True, True)
    assert version["subresources"] == {"status": {}}
    assert version["additionalPrinterColumns"][-1]["name"] == "Age"
    assert spec["names"]["categories"] == ["drawbridge"]


def test_short_names_are_not_shared() -> None:
    names = Counter(name for crd in crds() for name in crd["spec"]["names"].get("shortNames", ()))
    assert names
    assert max(names.values()) == 1


@pytest.mark.parametrize("crd", crds(), ids=lambda crd: crd["metadata"]["name"])
def test_every_list_map_and_text_of_a_schema_is_bounded(crd: Manifest) -> None:
    """An unbounded one makes the API server refuse rules about it, and lets one object fill etcd."""
    root = _schema(crd)
    unbounded = [path for path, node in _nodes(root["properties"]["spec"], "spec") if not _is_bounded(node)]
    unbounded += [path for path, node in _nodes(root["properties"]["status"], "status") if not _is_bounded(node)]
    assert unbounded == []


@pytest.mark.parametrize("crd", crds(), ids=lambda crd: crd["metadata"]["name"])
def test_every_list_of_a_schema_says_how_it_merges(crd: Manifest) -> None:
    lists = [(path, node) for path, node in _nodes(_schema(crd), "") if node.get("type") == "array"]
    assert [path for path, node in lists if "x-kubernetes-list-type" not in node] == []


def test_the_cluster_quota_is_the_quota_and_a_namespace_selector() -> None:
    quota, clustered = (_schema_of(kind) for kind in ("DeviceQuota", "ClusterDeviceQuota"))
    spec = clustered["properties"]["spec"]["properties"]
    assert spec.pop("namespaceSelector")["type"] == "object"
    reservation = clustered["properties"]["status"]["properties"]["reservations"]["items"]["properties"]
    assert reservation.pop("namespace")["type"] == "string"
    assert clustered["properties"] == quota["properties"]


def test_reservations_are_one_value_for_thousands_of_them_come_and_go() -> None:
    reservations = _schema_of("DeviceQuota")["properties"]["status"]["properties"]["reservations"]
    assert (reservations["x-kubernetes-list-type"], reservations["maxItems"]) == ("atomic", 4000)


def _schema(crd: Manifest) -> Manifest:
    schema: Manifest = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


def _schema_of(kind: str) -> Manifest:
    return _schema(next(crd for crd in crds() if crd["spec"]["names"]["kind"] == kind))


def _nodes(node: Manifest, path: str) -> Iterator[tuple[str, Manifest]]:
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from _nodes(child, f"{path}.{name}")
    for name in ("items", "additionalProperties"):
        if isinstance(node.get(name), dict):
            yield from _nodes(node[name], f"{path}[]")


def _is_bounded(node: Manifest) -> bool:
    match node.get("type"):
        case "array":
            return "maxItems" in node
        case "string":
            return bool({"maxLength", "enum", "format"} & node.keys())
        case "object" if isinstance(node.get("additionalProperties"), dict):
            return "maxProperties" in node
        case _:
            return True


# The webhook configurations


def test_fm_03_each_endpoint_is_registered_for_exactly_what_it_judges() -> None:
    found = {
        w["name"]: (w["clientConfig"]["service"]["path"], _rules(w), w["failurePolicy"], w["sideEffects"])
        for _, w in webhooks()
    }
    assert found == REGISTERED


def test_the_path_says_in_which_phase_a_webhook_is_called() -> None:
    for kind, webhook in webhooks():
        phase = "/mutate/" if kind.startswith("Mutating") else "/validate/"
        assert webhook["clientConfig"]["service"]["path"].startswith(phase)


@pytest.mark.parametrize("webhook", [webhook for _, webhook in webhooks()], ids=lambda w: w["name"])
def test_fm_09_system_namespaces_are_exempt_by_the_label_that_nobody_can_forge(webhook: Manifest) -> None:
    if all(rule["scope"] == "Cluster" for rule in webhook["rules"]):
        assert "namespaceSelector" not in webhook, "it would have no effect on a cluster-scoped object"
        return
    [expression] = webhook["namespaceSelector"]["matchExpressions"]
    assert "matchLabels" not in webhook["namespaceSelector"]
    assert (expression["key"], expression["operator"]) == ("kubernetes.io/metadata.name", "NotIn")
    assert set(expression["values"]) == SYSTEM


def test_fm_03_no_rule_reaches_further_than_it_names() -> None:
    for _, webhook in webhooks():
        for rule in _rules(webhook):
            assert not any("*" in part or "/" in part.removeprefix("resource.k8s.io") for part in rule)


def test_device_classes_have_entries_of_their_own_that_fail_open() -> None:
    for _, webhook in webhooks():
        resources = {resource for _, _, resource, _ in _rules(webhook)}
        if "deviceclasses" in resources:
            assert resources == {"deviceclasses"}
            assert webhook["failurePolicy"] == "Ignore"


def test_t_30_nobody_is_exempt_for_who_they_are() -> None:
    """Exempt is what is created where, never who creates it: a group or a prefix holds more than was thought of."""
    conditions = [
        condition["expression"] for _, webhook in webhooks() for condition in webhook.get("matchConditions", ())
    ]
    assert conditions
    assert [text for text in conditions if "userInfo" in text or "authorizer" in text] == []


def test_fm_28_a_slow_webhook_holds_nobody_up_for_long() -> None:
    for kind, webhook in webhooks():
        assert webhook["timeoutSeconds"] == (3 if kind.startswith("Mutating") else 5)


def test_only_pods_are_looked_at_again_after_other_webhooks() -> None:
    again = {w["name"] for kind, w in webhooks() if w.get("reinvocationPolicy") == "IfNeeded"}
    assert again == {"pods.mutate.drawbridge.dev"}


def test_both_pod_webhooks_see_the_same_pods() -> None:
    mutating, validating = (_webhook(f"pods.{phase}.drawbridge.dev") for phase in ("mutate", "validate"))
    assert mutating["matchConditions"] == validating["matchConditions"]


def test_webhooks_call_the_service_at_a_port_that_it_has() -> None:
    [service] = of_kind("Service")
    ports = {port["port"] for port in service["spec"]["ports"]}
    for _, webhook in webhooks():
        reference = webhook["clientConfig"]["service"]
        assert (reference["namespace"], reference["name"]) == (
            service["metadata"]["namespace"],
            service["metadata"]["name"],
        )
        assert reference["port"] in ports
        assert webhook["admissionReviewVersions"] == ["v1"]
        assert webhook["matchPolicy"] == "Equivalent"


# Rights


READ = ("list", "watch")
OWN = "drawbridge.dev"
QUOTAS = ("devicequotas", "clusterdevicequotas")


def _read(*kinds: Kind) -> set[tuple[str, str, str]]:
    """What a reflector of each kind needs."""
    return {(kind.group, kind.plural, verb) for kind in kinds for verb in READ}


def test_serving_may_read_what_it_watches_write_the_ledger_and_events_and_nothing_else() -> None:
    expected = _read(*SERVING) | {(OWN, name, "get") for name in QUOTAS}
    expected |= {(OWN, f"{name}/status", "update") for name in QUOTAS}
    expected |= {("", "secrets", verb) for verb in ("get", "watch")} | {("", "events", "create")}
    assert grants("drawbridge") == expected | {("path", "/metrics", "get")}


def test_the_controller_may_keep_templates_write_statuses_and_nothing_else() -> None:
    templates = "resourceclaimtemplates"
    expected = _read(*VIEWED, STORED_CLAIMS, PODS, GENERATED_TEMPLATES, POLICY_SPECS)
    expected |= {("resource.k8s.io", templates, verb) for verb in ("get", "create", "delete")}
    expected |= {(OWN, name, "get") for name in QUOTAS}
    expected |= {(OWN, f"{name}/status", "update") for name in (*QUOTAS, "legacymappings", "claimpolicies")}
    expected |= {("", "events", "create")}
    expected |= {("coordination.k8s.io", "leases", verb) for verb in ("create", "get", "update")}
    assert grants("drawbridge-controller") == expected | {("path", "/metrics", "get")}


CONFIGURATIONS = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations")


def test_certificates_may_be_kept_and_nothing_else() -> None:
    expected = {("admissionregistration.k8s.io", name, verb) for name in CONFIGURATIONS for verb in ("get", "patch")}
    expected |= {("", "secrets", verb) for verb in ("get", "update")}
    expected |= {("discovery.k8s.io", "endpointslices", "list")}
    expected |= {("coordination.k8s.io", "leases", verb) for verb in ("create", "get", "update")}
    assert grants("drawbridge-certs") == expected


def test_t_22_nobody_may_create_or_delete_claims_and_one_alone_write_webhooks() -> None:
    for role in ("drawbridge", "drawbridge-controller", "drawbridge-certs"):
        for group, resource, verb in grants(role):
            assert resource != "secrets" or role != "drawbridge-controller"
            assert group != "admissionregistration.k8s.io" or role == "drawbridge-certs"
            assert resource != "resourceclaims" or verb in READ
            assert "*" not in (group, resource, verb)


def test_secrets_leases_and_webhooks_are_reached_by_name_only() -> None:
    """The key of the CA is not for who serves."""
    named = {
        (m["metadata"]["name"], resource): rule.get("resourceNames")
        for kind in ("Role", "ClusterRole")
        for m in of_kind(kind)
        for rule in m["rules"]
        for resource in rule.get("resources", ())
        if resource in ("secrets", "leases", *CONFIGURATIONS) and rule["verbs"] != ["create"]
    }
    assert named == {
        ("drawbridge", "secrets"): ["drawbridge-tls"],
        ("drawbridge-controller", "leases"): ["drawbridge-controller"],
        ("drawbridge-certs", "secrets"): ["drawbridge-ca", "drawbridge-tls"],
        ("drawbridge-certs", "leases"): ["drawbridge-certs"],
        **{("drawbridge-certs", name): ["drawbridge"] for name in CONFIGURATIONS},
    }


def test_fm_15_secrets_hold_nothing_before_they_are_filled() -> None:
    for secret in of_kind("Secret"):
        assert secret.keys() == {"apiVersion", "kind", "metadata", "type"}


def test_every_binding_gives_a_role_that_is_there_to_an_account_that_is_there() -> None:
    there = {(m["kind"], m["metadata"]["name"]) for m in base()}
    bindings = of_kind("ClusterRoleBinding") + of_kind("RoleBinding")
    assert len(bindings) == 6
    for binding in bindings:
        assert (binding["roleRef"]["kind"], binding["roleRef"]["name"]) in there
        for subject in binding["subjects"]:
            assert ("ServiceAccount", subject["name"]) in there
            assert subject["namespace"] == "drawbridge-system"


# The programs


@pytest.mark.parametrize("deployment", of_kind("Deployment"), ids=lambda d: d["metadata"]["name"])
def test_programs_run_without_root_on_a_file_system_that_they_cannot_write(deployment: Manifest) -> None:
    pod = deployment["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    [container] = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "cpu" not in container["resources"]["limits"]
    assert container["resources"]["requests"].keys() == {"cpu", "memory"}


@pytest.mark.parametrize("deployment", of_kind("Deployment"), ids=lambda d: d["metadata"]["name"])
def test_a_selector_finds_the_pods_of_its_deployment_alone(deployment: Manifest) -> None:
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    found = [d for d in of_kind("Deployment") if d["spec"]["template"]["metadata"]["labels"] == labels]
    assert found == [deployment]


@pytest.mark.parametrize("deployment", of_kind("Deployment"), ids=lambda d: d["metadata"]["name"])
def test_fm_33_pods_that_are_not_ready_never_keep_a_node_from_being_drained(deployment: Manifest) -> None:
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    [budget] = [b["spec"] for b in of_kind("PodDisruptionBudget") if b["spec"]["selector"]["matchLabels"] == labels]
    assert (budget["maxUnavailable"], budget["unhealthyPodEvictionPolicy"]) == (1, "AlwaysAllow")


def test_fm_34_our_priority_is_allowed_in_our_namespace_where_a_platform_asks_for_a_quota_on_it() -> None:
    [quota] = of_kind("ResourceQuota")
    [scope] = quota["spec"]["scopeSelector"]["matchExpressions"]
    assert (scope["scopeName"], scope["operator"]) == ("PriorityClass", "In")
    pods = [deployment["spec"]["template"]["spec"] for deployment in of_kind("Deployment")]
    assert {pod["priorityClassName"] for pod in pods} <= set(scope["values"])
    replicas = sum(deployment["spec"]["replicas"] for deployment in of_kind("Deployment"))
    assert int(quota["spec"]["hard"]["pods"]) > 2 * replicas, "a rollout has as many pods again"


def test_three_replicas_serve_and_a_rollout_takes_none_away() -> None:
    serving, controller, _ = of_kind("Deployment")
    assert (serving["spec"]["replicas"], controller["spec"]["replicas"]) == (3, 2)
    assert serving["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    [service] = of_kind("Service")
    assert service["spec"]["selector"] == serving["spec"]["selector"]["matchLabels"]


def test_fm_25_the_drain_ends_before_the_grace_period() -> None:
    serving = of_kind("Deployment")[0]["spec"]["template"]["spec"]
    [drain] = [arg for arg in serving["containers"][0]["args"] if arg.startswith("--drain-seconds=")]
    assert float(drain.partition("=")[2]) + 5 < serving["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("deployment", of_kind("Deployment"), ids=lambda d: d["metadata"]["name"])
def test_a_container_starts_a_command_with_options_that_it_has(deployment: Manifest) -> None:
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    name, *arguments = container["args"]
    command = main.get_command(Context(main), name)
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert {argument.partition("=")[0] for argument in arguments} <= known


def test_t_20_metrics_are_for_whom_is_let_in_alone() -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind("NetworkPolicy")}
    assert policies.keys() == {deployment["metadata"]["name"] for deployment in of_kind("Deployment")}
    assert all("Ingress" in spec["policyTypes"] for spec in policies.values())
    let_in = {
        name: [port["port"] for rule in spec["ingress"] for port in rule["ports"]] for name, spec in policies.items()
    }
    assert let_in == {"drawbridge": ["https"], "drawbridge-controller": [], "drawbridge-certs": []}


def test_everything_lives_in_our_namespace() -> None:
    namespaced = [m for m in base() if "namespace" in m["metadata"]]
    assert {m["metadata"]["namespace"] for m in namespaced} == {"drawbridge-system"}
    [namespace] = of_kind("Namespace")
    assert namespace["metadata"]["name"] == "drawbridge-system"
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_every_file_of_the_base_is_part_of_it() -> None:
    named = {path.name for path in BASE.glob("*.yaml")} - {"kustomization.yaml"}
    assert set(yaml.safe_load((BASE / "kustomization.yaml").read_text())["resources"]) == named


def test_fm_27_whoever_calls_the_webhook_reaches_it_though_a_namespace_denies_by_default() -> None:
    """No selector finds an API server: what comes to the port of the webhooks may come from anywhere."""
    [policy] = [each for each in of_kind("NetworkPolicy") if each["metadata"]["name"] == "drawbridge"]
    labels = of_kind("Deployment")[0]["spec"]["template"]["metadata"]["labels"]
    assert policy["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert {"ports": [{"port": "https"}]} in policy["spec"]["ingress"]
    [container] = of_kind("Deployment")[0]["spec"]["template"]["spec"]["containers"]
    [service] = of_kind("Service")
    assert {port["targetPort"] for port in service["spec"]["ports"] if port["port"] == 443} == {"https"}
    assert "https" in {port["name"] for port in container["ports"]}


# The image


def test_fm_25_the_program_is_told_of_the_end_by_the_kubelet_and_not_by_a_shell() -> None:
    assert 'ENTRYPOINT ["drawbridge"]' in (BASE.parents[1] / "Dockerfile").read_text().splitlines()
