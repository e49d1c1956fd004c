"""A rule that fails costs the review its answer, so that failurePolicy decides, and is named to whoever is paged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.support.build import make_view
from tests.support.judging import admission_over
from tests.support.serving import Answer, Served, make_review, serving
from webhook.core.claims import Claim
from webhook.core.cluster import ClusterView
from webhook.core.namespaced import NamespacedName
from webhook.server.app import VALIDATE_CLAIMS
from webhook.server.rule_faults import RuleFaults, rule_at_fault

CANARY = "hunter2-canary"
RULE = "class-strands-claims"


class Unreadable(Mapping[NamespacedName, Claim]):
    """The cluster's claims, as a view with a bug would hold them: the one rule that looks through them fails."""

    def __getitem__(self, key: NamespacedName) -> Claim:
        raise ZeroDivisionError(CANARY)

    def __iter__(self) -> Iterator[NamespacedName]:
        raise ZeroDivisionError(CANARY)

    def __len__(self) -> int:
        return 1


@dataclass(frozen=True)
class Source:
    """A cluster that is always there."""

    view: ClusterView

    def unready(self) -> str:
        return ""


def device_class(expression: str) -> dict[str, object]:
    spec = {"selectors": [{"cel": {"expression": expression}}]}
    return {"apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": "gpu"}, "spec": spec}


def change_the_class(server: Served, uid: str) -> Answer:
    kind = {"group": "resource.k8s.io", "version": "v1", "kind": "DeviceClass"}
    before, after = device_class("device.driver == 'gpu.example.com'"), device_class("device.driver == 'b'")
    changed = {"uid": uid, "kind": kind, "operation": "UPDATE", "namespace": "", "name": "gpu"}
    return server.post(body=make_review(**changed, object=after, oldObject=before))


def test_a_rule_that_fails_is_500_and_named_once_it_keeps_failing(tmp_path: Path) -> None:
    with admission_over([tmp_path]) as admission:
        broken = replace(admission, source=Source(make_view(claims=Unreadable())))
        with serving(broken.handlers(), tmp_path / "certs") as server:
            answer = change_the_class(server, "failed-1")
            assert answer.status == 500
            assert b"allowed" not in answer.body
            line = server.logged(uid="failed-1", msg="bug")
            assert (line["rule"], line["error"], line["endpoint"]) == (RULE, "ZeroDivisionError", VALIDATE_CLAIMS)
            assert b"[+] rules\n" in server.probe("/readyz?verbose").body
            assert {change_the_class(server, f"failed-{number}").status for number in (2, 3)} == {500}
            told = server.probe("/readyz?verbose")
            assert f"[!] rules: '{RULE}' failed several times".encode() in told.body
            assert told.status == 200
            assert server.probe("/readyz").body == b"ok\n"
            assert server.metric("drawbridge_rule_faults_total", rule=RULE) == 3
            assert server.metric("drawbridge_faults_total", endpoint=VALIDATE_CLAIMS, code="500") == 3
            assert server.post().status == 200
            assert CANARY.encode() not in answer.body
            assert CANARY not in str(server.log_lines())


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_rule_that_fails_seldom_or_failed_long_ago_is_not_named() -> None:
    clock = Clock()
    faults = RuleFaults(clock)
    faults.note("once")
    for clock.now in (0.0, 1.0, 2.0):
        faults.note("often")
    assert faults.failing() == ("often",)
    assert faults.problem() == "'often' failed several times in ten minutes; the log has the uids"
    clock.now = 601.0
    assert faults.failing() == ()
    assert faults.problem() == ""


def test_an_exception_outside_all_rules_is_no_rule_s_fault() -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        list(Unreadable())
    assert rule_at_fault(raised.value) == ""
