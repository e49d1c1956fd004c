"""The whole suite ran under the rights that deploy/ gives: none was missing, and none is given that nobody needs.

Runs last. Every control plane of the session is counted, those that have ended too.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.controlplane.audit import RARE, Asked, Right, refused
from tests.controlplane.chart import objects
from tests.controlplane.cluster import ASKED_OF_ENDED, ControlPlane
from tests.controlplane.installation import Installation
from tests.support.deployment import grants, grants_of

pytestmark = pytest.mark.e2e

ON_PURPOSE = {
    ("drawbridge", "mutatingwebhookconfigurations", "get"): "who serves may see nothing of the certificates' making",
}
"""What a test asked for to see it refused: account, resource and verb."""
DISCOVERY = re.compile(r"/(apis?|openapi|version)(/.*)?")
"""The paths that every authenticated user may read, by Kubernetes' own role `system:discovery`."""


@pytest.fixture
def asked(cluster: ControlPlane, installation: Installation) -> frozenset[Asked]:  # noqa: ARG001 - so that it asks
    return cluster.asked() | ASKED_OF_ENDED


@pytest.fixture
def granted(tmp_path: Path) -> Mapping[str, set[Right]]:
    """What deploy/ gives each account."""
    uninstalling = [each for each in objects(tmp_path) if each["metadata"]["name"] == "drawbridge-uninstall"]
    accounts = {name: grants(name) for name in ("drawbridge", "drawbridge-controller", "drawbridge-certs")}
    return {**accounts, "drawbridge-uninstall": grants_of(uninstalling)}


def test_nothing_that_our_programs_asked_for_is_not_given(
    asked: frozenset[Asked], granted: Mapping[str, set[Right]]
) -> None:
    """What is given is refused too for a moment: while an API server that starts has not read the roles yet, and where
    a test takes a right away or ends an installation.
    """
    unknown = [each for each in refused(asked) if each.right not in granted.get(each.account, set())]
    ours = [each for each in unknown if not (each.right[0] == "path" and DISCOVERY.fullmatch(each.right[1]))]
    assert [each for each in ours if (each.account, *each.right[1:]) not in ON_PURPOSE] == []


def test_every_right_was_used(
    asked: frozenset[Asked], granted: Mapping[str, set[Right]], request: pytest.FixtureRequest
) -> None:
    files = {Path(item.path) for item in request.session.items}
    if not files.issuperset(Path(__file__).parent.glob("test_*.py")) or request.config.option.keyword:
        pytest.skip("only parts of the suite ran")
    useful = asked.difference(refused(asked))
    for account, rights in granted.items():
        used = {each.right for each in useful if each.account == account}
        assert rights - used <= RARE.get(account, set()), account
