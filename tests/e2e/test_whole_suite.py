"""The whole suite ran under the rights that deploy/ gives: none was missing, and none is given that nobody needs.

Runs last. Every control plane of the session is counted, those that have ended too.
"""

from pathlib import Path

import pytest

from tests.controlplane.audit import RARE, Asked, refused
from tests.controlplane.chart import objects
from tests.controlplane.cluster import ASKED_OF_ENDED, ControlPlane
from tests.controlplane.installation import Installation
from tests.support.deployment import grants, grants_of

pytestmark = pytest.mark.e2e

ON_PURPOSE = {
    ("drawbridge", "secrets", "drawbridge-ca"): "it is tried whether who serves may read the CA's key: it may not",
}
"""What was refused because a test wanted to see just that: account, resource and name."""


@pytest.fixture
def asked(cluster: ControlPlane, installation: Installation) -> frozenset[Asked]:  # noqa: ARG001 - so that it asks
    return cluster.asked() | ASKED_OF_ENDED


def test_nothing_that_our_programs_asked_for_was_forbidden(asked: frozenset[Asked]) -> None:
    named = {each: (each.account, each.right[1], each.name) for each in refused(asked)}
    assert [each for each, name in named.items() if name not in ON_PURPOSE] == []


def test_every_right_was_used(asked: frozenset[Asked], request: pytest.FixtureRequest, tmp_path: Path) -> None:
    files = {Path(item.path) for item in request.session.items}
    if not files.issuperset(Path(__file__).parent.glob("test_*.py")) or request.config.option.keyword:
        pytest.skip("only parts of the suite ran")
    uninstalling = [each for each in objects(tmp_path) if each["metadata"]["name"] == "drawbridge-uninstall"]
    granted = {name: grants(name) for name in ("drawbridge", "drawbridge-controller", "drawbridge-certs")}
    granted["drawbridge-uninstall"] = grants_of(uninstalling)
    for account, rights in granted.items():
        used = {each.right for each in asked if each.account == account}
        assert rights - used <= RARE.get(account, set()), account
