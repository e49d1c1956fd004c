"""Webhook configurations beside the shipped ones."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from tests.support.examined import HERE, healthy, names, wrong
from webhook.doctor.diagnosis import Severity
from webhook.doctor.facts import MUTATING, VALIDATING, Facts, Keeper, Place, Unseen

CLAIMS = 0  # claims.validate.drawbridge.dev


def with_webhooks(change: Any, plural: str = VALIDATING) -> Facts:
    facts = healthy()
    configuration: Any = copy.deepcopy(facts.configurations[plural])
    change(configuration["webhooks"])
    return replace(facts, configurations={**facts.configurations, plural: configuration})


def setting(field: str, value: object) -> Any:
    return lambda webhooks: webhooks[CLAIMS].update({field: value})


def test_an_installation_as_shipped_is_right_wherever_it_is() -> None:
    assert names(healthy()) == []
    assert names(healthy(Place("gpu", "moat"))) == []


def test_what_the_api_server_fills_in_or_orders_otherwise_is_no_change() -> None:
    def filled(webhooks: Any) -> None:
        webhooks[CLAIMS]["objectSelector"] = {}
        webhooks[CLAIMS]["rules"][0]["resources"].reverse()
        webhooks[1]["namespaceSelector"] = {}

    assert names(with_webhooks(filled)) == []


@pytest.mark.parametrize(
    ("field", "value", "name", "severity"),
    [
        ("rules", [], "webhook-rules", Severity.ERROR),
        ("failurePolicy", "Ignore", "webhook-failure-policy", Severity.WARNING),
        ("timeoutSeconds", 30, "webhook-timeout", Severity.WARNING),
        ("matchConditions", [{"name": "none", "expression": "false"}], "webhook-changed", Severity.WARNING),
        ("objectSelector", {"matchLabels": {"a": "b"}}, "webhook-changed", Severity.WARNING),
        ("sideEffects", "None", "webhook-changed", Severity.WARNING),
    ],
)
def test_a_changed_field_is_told_with_the_patch_that_undoes_it(
    field: str, value: object, name: str, severity: Severity
) -> None:
    [found] = wrong(with_webhooks(setting(field, value)))
    assert (found.name, found.severity) == (name, severity)
    assert f"`{field}`" in found.message
    assert found.fix is not None
    assert found.fix.command.startswith("kubectl patch validatingwebhookconfigurations drawbridge --type=json -p ")
    assert f'"path":"/webhooks/0/{field}"' in found.fix.command
    assert ('"op":"remove"' in found.fix.command) == (field in ("matchConditions", "objectSelector"))


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("timeoutSeconds", 30, "`timeoutSeconds` is '30', shipped is '5'"),
        ("objectSelector", {"matchLabels": {"a": "b"}}, 'is \'{"matchLabels":{"a":"b"}}\', shipped is empty'),
        ("rules", [], "`rules` is missing"),
        ("rules", [{"operations": ["*"]}], "`rules` is not as shipped"),
    ],
)
def test_values_are_shown_where_they_are_short(field: str, value: object, told: str) -> None:
    assert wrong(with_webhooks(setting(field, value)))[0].message.endswith(told)


def test_what_failing_open_means_is_said() -> None:
    [found] = wrong(with_webhooks(setting("failurePolicy", "Ignore")))
    assert found.message.endswith("while no replica answers, what it would refuse is let in")


def test_who_changed_it_is_named() -> None:
    facts = with_webhooks(setting("timeoutSeconds", 1))
    configuration: Any = facts.configurations[VALIDATING]
    fields: Any = {"f:webhooks": {'k:{"name":"claims.validate.drawbridge.dev"}': {"f:timeoutSeconds": {}}}}
    configuration["metadata"]["managedFields"] = [{"manager": "kubectl-edit", "fieldsV1": fields}]
    assert "set by 'kubectl-edit'" in wrong(facts)[0].message


def test_a_webhook_that_calls_something_else_is_pointed_back() -> None:
    [found] = wrong(with_webhooks(setting("clientConfig", {"url": "https://elsewhere.example/x"})))
    assert found.name == "webhook-service"
    assert (
        "'https://elsewhere.example/x' and not 'drawbridge.drawbridge-system.svc:443/validate/claims'" in found.message
    )
    assert found.fix is not None
    assert '"op":"remove","path":"/webhooks/0/clientConfig/url"' in found.fix.command


@pytest.mark.parametrize(
    ("index", "release", "severity"),
    [(0, "", Severity.ERROR), (1, "", Severity.WARNING), (0, "gate", Severity.WARNING)],
)
def test_a_webhook_that_is_gone_is_an_error_where_it_fails_closed_and_nobody_may_choose(
    index: int, release: str, severity: Severity
) -> None:
    facts = with_webhooks(lambda webhooks: webhooks.pop(index))
    [found] = wrong(replace(facts, place=replace(HERE, release=release)))
    assert (found.name, found.severity) == ("webhook-missing", severity)


def test_a_webhook_that_the_values_of_a_release_turn_off_is_turned_on_there() -> None:
    [found] = wrong(replace(with_webhooks(lambda webhooks: webhooks.pop(1)), place=replace(HERE, release="gate")))
    assert found.fix is not None
    assert found.fix.message.endswith("if its values turn it off (`webhooks`), turn it on there")
    assert found.fix.command.startswith("helm upgrade gate ")


def test_a_webhook_of_somebody_else_is_taken_away() -> None:
    [found] = wrong(with_webhooks(lambda webhooks: webhooks.append({"name": "x.example"})))
    assert found.name == "webhook-unknown"
    assert found.fix is not None
    assert '"op":"remove","path":"/webhooks/5"' in found.fix.command


def test_our_own_namespace_must_be_exempt() -> None:
    expression = {"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system", "more"]}
    facts = with_webhooks(setting("namespaceSelector", {"matchExpressions": [expression]}))
    lacking, more = wrong(facts)
    assert (lacking.name, lacking.severity) == ("namespace-not-exempt", Severity.ERROR)
    assert "'kube-public', 'kube-node-lease', 'drawbridge-system'" in lacking.message
    assert (more.name, more.severity) == ("namespaces-left-out", Severity.INFO)
    assert more.message == "'more': not guarded by 'claims.validate.drawbridge.dev'"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["team-a"], ["namespaces-left-out"]),
        (["team-a", "kube-system"], ["namespace-not-exempt", "namespaces-left-out"]),
    ],
)
def test_namespaces_may_be_exempt_because_others_are_named(values: list[str], expected: list[str]) -> None:
    expression = {"key": "kubernetes.io/metadata.name", "operator": "In", "values": values}
    assert names(with_webhooks(setting("namespaceSelector", {"matchExpressions": [expression]}))) == expected


def test_many_namespaces_left_out_of_many_webhooks_are_counted() -> None:
    def leave_out(webhooks: Any) -> None:
        for webhook in webhooks:
            for expression in webhook.get("namespaceSelector", {}).get("matchExpressions", ()):
                expression["values"] += [f"a-namespace-of-a-team-with-a-long-name-{index}" for index in range(9)]

    [found] = wrong(with_webhooks(leave_out))
    assert found.message.endswith("and 7 more: not guarded by 'claims.validate.drawbridge.dev' and 3 more")


def test_an_exemption_beside_a_choice_by_labels_is_none_lost() -> None:
    wanted: Any = healthy().configurations[VALIDATING]
    selector = {**wanted["webhooks"][CLAIMS]["namespaceSelector"], "matchLabels": {"gpu": "yes"}}
    [found] = wrong(with_webhooks(setting("namespaceSelector", selector)))
    assert (found.name, found.severity) == ("namespaces-left-out", Severity.INFO)


@pytest.mark.parametrize(
    ("place", "command"),
    [
        (HERE, "kubectl apply --server-side --force-conflicts -k deploy/kustomize/base"),
        (
            replace(HERE, release="gate"),
            "helm upgrade gate deploy/helm/drawbridge --namespace drawbridge-system --reset-then-reuse-values",
        ),
        (
            replace(HERE, keeper=Keeper.CERT_MANAGER),
            "kubectl apply --server-side --force-conflicts -k deploy/kustomize/overlays/cert-manager",
        ),
        (replace(HERE, keeper=Keeper.PROVIDED), ""),
        (Place("gpu", "drawbridge"), ""),
        (Place("drawbridge-system", "moat"), ""),
    ],
)
def test_a_configuration_that_is_gone_is_installed_as_it_was_before(place: Place, command: str) -> None:
    facts = healthy(place)
    facts = replace(facts, configurations={**facts.configurations, MUTATING: None}, probes=facts.probes[1:])
    [found] = wrong(facts)
    assert (found.name, found.severity) == ("configuration-missing", Severity.ERROR)
    assert found.fix is not None
    assert found.fix.command == command


def test_what_may_not_be_read_is_told_and_is_no_error() -> None:
    facts = healthy()
    facts = replace(facts, configurations={**facts.configurations, MUTATING: Unseen("forbidden")})
    service, configuration = wrong(replace(facts, service=Unseen("forbidden")))
    assert {(one.name, one.severity) for one in (service, configuration)} == {
        ("configuration-unchecked", Severity.INFO)
    }
    assert service.message == "Service 'drawbridge' in namespace 'drawbridge-system' cannot be read: forbidden"
    assert configuration.message == "MutatingWebhookConfiguration 'drawbridge' cannot be read: forbidden"
