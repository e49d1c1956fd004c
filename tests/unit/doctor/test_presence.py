"""Where there is no installation, doctor says that alone."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.examined import healthy, wrong
from webhook.core.raw import RawObject
from webhook.doctor.facts import MUTATING, VALIDATING, Unseen


def calling(namespace: str) -> RawObject:
    service = {"name": "drawbridge", "namespace": namespace}
    return {"webhooks": [{"name": "claims.validate.drawbridge.dev", "clientConfig": {"service": service}}]}


@pytest.mark.parametrize(
    ("left", "told", "command"),
    [
        (None, "in namespace 'drawbridge-system'", "kubectl get services -A -l app.kubernetes.io/name=drawbridge"),
        (
            calling("gpu"),
            ": its webhooks call 'drawbridge.gpu.svc'",
            'drawbridge doctor --kubeconfig "$KUBECONFIG" --own-namespace gpu --installation-name drawbridge',
        ),
        (
            calling("drawbridge-system"),
            ", and its webhook configurations are left",
            'drawbridge uninstall --kubeconfig "$KUBECONFIG" --installation-name drawbridge',
        ),
    ],
    ids=["nowhere", "elsewhere", "gone"],
)
def test_nothing_is_mended_where_nothing_is_installed(left: RawObject | None, told: str, command: str) -> None:
    facts = healthy()
    configurations: Any = {MUTATING: None, VALIDATING: left}
    accounts = dict.fromkeys(facts.accounts)
    [found] = wrong(replace(facts, service=None, accounts=accounts, configurations=configurations))
    assert found.name == "installation-missing"
    assert found.message.endswith(told)
    assert found.fix is not None
    assert found.fix.command == command


def test_what_may_not_be_read_is_not_taken_for_absent() -> None:
    facts = healthy()
    accounts = dict.fromkeys(facts.accounts, Unseen("forbidden"))
    assert "installation-missing" not in {one.name for one in wrong(replace(facts, service=None, accounts=accounts))}
