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

TEMPLATES, TAINTS = "resourceclaimtemplates", "devicetaintrules"
ON_PURPOSE = {
    ("drawbridge", "mutatingwebhookconfigurations", "get"): "who serves may see nothing of the certificates' making",
    ("drawbridge", TAINTS, "list"): "doctor tells of rights that somebody has taken away",
    ("drawbridge", "/metrics", "get"): "as above",
    ("drawbridge-controller", TEMPLATES, "create"): "a right that was taken away, and a ResourceQuota that is full",
}
"""What was refused because a test wanted to see just that: account, resource and verb. All but the first are granted,
and so must be used elsewhere.
"""


@pytest.fixture
def asked(cluster: ControlPlane, installation: Installation) -> frozenset[Asked]:  # noqa: ARG001 - so that it asks
    return cluster.asked() | ASKED_OF_ENDED


def test_nothing_that_our_programs_asked_for_was_forbidden(asked: frozenset[Asked]) -> None:
    found = [each for each in refused(asked) if (each.account, *each.right[1:]) not in ON_PURPOSE]
    # A program that outlives an uninstallation goes on with its watches; a right that is missing shows at the list.
    assert [each for each in found if each.right[2] != "watch"] == []


def test_every_right_was_used(asked: frozenset[Asked], request: pytest.FixtureRequest, tmp_path: Path) -> None:
    files = {Path(item.path) for item in request.session.items}
    if not files.issuperset(Path(__file__).parent.glob("test_*.py")) or request.config.option.keyword:
        pytest.skip("only parts of the suite ran")
    uninstalling = [each for each in objects(tmp_path) if each["metadata"]["name"] == "drawbridge-uninstall"]
    granted = {name: grants(name) for name in ("drawbridge", "drawbridge-controller", "drawbridge-certs")}
    granted["drawbridge-uninstall"] = grants_of(uninstalling)
    useful = asked.difference(refused(asked))
    for account, rights in granted.items():
        used = {each.right for each in useful if each.account == account}
        assert rights - used <= RARE.get(account, set()), account
