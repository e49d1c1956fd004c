"""However a caller names things, /metrics does not grow: each series costs memory here and in every Prometheus."""

from contextlib import closing
from pathlib import Path

from tests.support.serving import Served, make_review, post, read_answer, serving
from webhook.core.decision import Allow, Decision
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Finding, Severity, unjudged
from webhook.core.review import Review
from webhook.server.app import VALIDATE_CLAIMS
from webhook.server.limits import Budget


async def judge_by_names(review: Review, _: Budget) -> Decision:
    """Find as many rules, policies and unjudged things as there are names."""
    path = ROOT.child("spec")
    rules = (review.name, f"policy/{review.name}")
    found = [Finding(rule, Severity.WARN, path, "something") for rule in rules]
    return Allow((*found, unjudged(path, review.name, "something")))


def _series(server: Served) -> set[str]:
    lines = server.probe("/metrics").body.decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if line.startswith("drawbridge_")}


def test_hostile_names_add_no_series(tmp_path: Path) -> None:
    def ask(numbers: range) -> None:
        with closing(server.connect()) as connection:
            for number in numbers:
                name = f"hostile-{number}"
                kind = {"group": name, "version": name, "kind": name}
                who = {"username": name, "groups": [name]}
                fields = {"namespace": name, "name": name, "uid": name, "subResource": name, "userInfo": who}
                review = make_review(operation=name, kind=kind, resource=kind, **fields)
                assert post(connection, VALIDATE_CLAIMS, review).status == 200
                assert post(connection, f"/{name}", review).status == 404
                assert post(connection, f"{VALIDATE_CLAIMS}?{name}={name}", make_review(uid=None)).status == 400
                server.needs.metrics.policy_outcome(name, "deny")
            for method in ("GET", "DELETE", "PROPFIND"):
                connection.request(method, VALIDATE_CLAIMS)
                assert read_answer(connection.getresponse()).status == 405

    with serving({VALIDATE_CLAIMS: judge_by_names}, tmp_path) as server:
        ask(range(210))
        full = _series(server)
        ask(range(1000, 1100))
        assert _series(server) == full
        count = {"rule": "policy/other", "severity": "warn"}
        assert server.metric("drawbridge_findings_total", **count) == 10 + 100
