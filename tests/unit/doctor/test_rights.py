"""What service accounts may do, against what they need."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from tests.support.examined import HERE, healthy, names, wrong
from webhook.core.raw import RawObject
from webhook.doctor.diagnosis import Severity
from webhook.doctor.facts import Facts, Keeper, Unseen
from webhook.doctor.rights import Right

SERVING = ("ClusterRole", "", "drawbridge")
ANY = Right("", "*", "*", "", "*")


def with_role(change: Any, key: tuple[str, str, str] = SERVING) -> Facts:
    facts = healthy()
    role: Any = copy.deepcopy(facts.roles[key])
    change(role["rules"])
    return replace(facts, roles={**facts.roles, key: role})


def bound(facts: Facts, role: RawObject, subject: RawObject, namespace: str = "") -> Facts:
    """Return the facts with one more binding, to a ClusterRole of its own."""
    metadata = {"name": "more", **({"namespace": namespace} if namespace else {})}
    binding = {
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"kind": "ClusterRole", "name": "more"},
        "subjects": [subject],
    }
    assert not isinstance(facts.bindings, Unseen)
    roles = {**facts.roles, ("ClusterRole", "", "more"): role}
    return replace(facts, bindings=(*facts.bindings, binding), roles=roles)


OURS = {"kind": "ServiceAccount", "name": "drawbridge", "namespace": "drawbridge-system"}
NODES = {"rules": [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list", "watch"]}]}
SECRETS = {"rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]}


@pytest.mark.parametrize(
    ("wide", "narrow", "includes"),
    [
        (ANY, Right("", "apps", "deployments", "", "get"), True),
        (ANY, Right("", "path", "/metrics", "", "get"), False),
        (Right("", "", "pods", "", "get"), Right("a", "", "pods", "x", "get"), True),
        (Right("a", "", "pods", "", "get"), Right("", "", "pods", "", "get"), False),
        (Right("", "", "pods", "x", "get"), Right("", "", "pods", "", "get"), False),
        (Right("", "", "*/status", "", "get"), Right("", "", "pods/status", "", "get"), True),
        (Right("", "path", "/healthz/*", "", "get"), Right("", "path", "/healthz/etcd", "", "get"), True),
        (Right("", "", "pods", "", "get"), Right("", "", "pods/status", "", "get"), False),
    ],
)
def test_a_right_includes_another(wide: Right, narrow: Right, includes: bool) -> None:
    assert wide.includes(narrow) is includes


def test_a_rule_that_is_lacking_is_told_with_the_patch_that_gives_it() -> None:
    def without_nodes(rules: Any) -> None:
        next(rule for rule in rules if "nodes" in rule.get("resources", ()))["resources"].remove("nodes")

    [found] = wrong(with_role(without_nodes))
    assert (found.name, found.severity) == ("rights-missing", Severity.ERROR)
    assert found.message == "ServiceAccount 'drawbridge' in namespace 'drawbridge-system' may not list/watch nodes"
    assert found.fix is not None
    assert found.fix.command == (
        "kubectl patch clusterrole drawbridge --type=json -p "
        """'[{"op":"add","path":"/rules/-","value":{"apiGroups":[""],"resources":["nodes"],"verbs":["list","watch"]}}]'"""
    )


@pytest.mark.parametrize(
    "subject",
    [OURS, {"kind": "Group", "name": "system:serviceaccounts"}],
    ids=["by its name", "as one of all"],
)
def test_what_another_binding_gives_is_not_lacking(subject: RawObject) -> None:
    def without_nodes(rules: Any) -> None:
        next(rule for rule in rules if "nodes" in rule.get("resources", ()))["resources"].remove("nodes")

    assert names(bound(with_role(without_nodes), NODES, subject)) == []


def test_without_its_binding_an_account_lacks_all_of_a_role() -> None:
    facts = healthy()
    assert not isinstance(facts.bindings, Unseen)
    kept = tuple(b for b in facts.bindings if (b["kind"], b["metadata"]["name"]) != ("RoleBinding", "drawbridge"))
    [found] = wrong(replace(facts, bindings=kept))
    assert found.message.endswith("may not get/watch secrets 'drawbridge-tls'")
    assert found.fix is not None
    assert found.fix.command == "kubectl apply --server-side --force-conflicts -k deploy/kustomize/base"


def test_more_than_it_needs_is_a_warning_that_names_the_binding() -> None:
    [found] = wrong(bound(healthy(), SECRETS, OURS, "team-a"))
    assert (found.name, found.severity) == ("rights-excess", Severity.WARNING)
    assert found.message.endswith("may get secrets without need, by RoleBinding 'more' in namespace 'team-a'")
    assert found.fix is not None
    assert found.fix.command == "kubectl edit rolebinding more -n team-a"


@pytest.mark.parametrize(
    ("verbs", "told"),
    [
        (["get"], "may get poddisruptionbudgets.policy; get evictions.policy without need,"),
        (
            ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"],
            "may create/delete/deletecollection/... poddisruptionbudgets.policy; and 1 more without need,",
        ),
    ],
)
def test_many_rights_are_told_in_one_line(verbs: list[str], told: str) -> None:
    role = {"rules": [{"apiGroups": ["policy"], "resources": ["poddisruptionbudgets", "evictions"], "verbs": verbs}]}
    [found] = wrong(bound(healthy(), role, OURS))
    assert told in found.message


def test_what_everybody_may_is_not_too_much() -> None:
    assert names(bound(healthy(), SECRETS, {"kind": "Group", "name": "system:authenticated"})) == []


def test_an_account_that_is_not_there() -> None:
    facts = healthy()
    assert names(replace(facts, accounts={**facts.accounts, "drawbridge": None})) == ["account-missing"]


def test_where_somebody_else_makes_certificates_nobody_misses_the_account_for_it() -> None:
    facts = healthy(replace(HERE, keeper=Keeper.PROVIDED))
    assert names(replace(facts, accounts={**facts.accounts, "drawbridge-certs": None})) == []


def test_a_role_that_may_not_be_read_is_no_role_without_rights() -> None:
    facts = healthy()
    [found] = wrong(replace(facts, roles={**facts.roles, SERVING: Unseen("forbidden")}))
    assert (found.name, found.severity) == ("rights-unchecked", Severity.INFO)
