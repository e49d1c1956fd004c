"""How long policies take on one claim: none, 500 of which 10 concern it, and 500 that all do.

    .venv/bin/python -m benchmarks.policies

Each policy has a condition, a variable and two validations. Prints medians and 99th percentiles of the whole decision
(rules on 1,000 devices included), and what a policy costs that concerns the claim, and one that does not.
"""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from typing import Any

from benchmarks.decision import review, view
from webhook.core.cluster import ClusterView, Namespace
from webhook.core.policies import ClaimPolicy
from webhook.core.policies_parse import parse_policy
from webhook.endpoints import case_of, validate_claims
from webhook.inventory.case import never
from webhook.policy.book import PolicyBook
from webhook.policy.cases import Policing, of_dra
from webhook.rules import Rulebook
from webhook.server.wire import parse_review

POLICIES = 500
CONCERNED = 10
ROUNDS = 400
TODAY = date(2026, 1, 1)


def policy(number: int, *, concerns: bool) -> ClaimPolicy:
    team = "a" if concerns else f"other-{number}"
    spec: dict[str, Any] = {
        "match": {"namespaceSelector": {"matchLabels": {"team": team}}, "resources": ["claims", "templates"]},
        "matchConditions": [{"name": "no-admin", "expression": "!claim.alternatives.exists(a, a.adminAccess)"}],
        "variables": [{"name": "most", "expression": f"{number % 7 + 8}"}],
        "validations": [
            {"expression": "claim.worst.devices <= variables.most", "message": "too many devices"},
            {
                "expression": f"claim.alternatives.all(a, a.deviceClassName != 'class-{number}' && !a.all)",
                "messageExpression": "'not for ' + request.namespace",
            },
        ],
    }
    return parse_policy({"metadata": {"name": f"policy-{number:03}"}, "spec": spec})


def with_policies(cluster: ClusterView, concerned: int) -> ClusterView:
    policies = [policy(number, concerns=number < concerned) for number in range(POLICIES if concerned else 0)]
    return replace(cluster, policies={one.name: one for one in policies})


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Return median and 99th percentile in microseconds."""
    call()
    times = []
    for _ in range(ROUNDS):
        started = time.thread_time_ns()
        call()
        times.append((time.thread_time_ns() - started) / 1000)
    return statistics.median(times), statistics.quantiles(times, n=100)[98]


def main() -> None:
    cluster, body, rulebook = view(), review(), Rulebook()
    cluster = replace(cluster, namespaces={"team-a": Namespace("team-a", {"team": "a"})})
    found: dict[int, tuple[float, float]] = {}
    for concerned in (0, CONCERNED, POLICIES):
        book, known = PolicyBook(), with_policies(cluster, concerned)
        started = time.perf_counter()
        book.of(known)
        compiled = time.perf_counter() - started

        def decide(book: PolicyBook = book, known: ClusterView = known) -> object:
            parsed = parse_review(body)
            case = case_of(parsed, known, rulebook, never)
            assert case is not None
            policing = Policing(book.of(known), TODAY)
            findings = validate_claims(case, rulebook)
            return policing.judged(of_dra(case, policing.asked(parsed), findings))

        found[concerned] = timed(decide)
        median, worst = found[concerned]
        label = f"{len(known.policies)} policies, {concerned} concern the claim:"
        print(f"{label:45} median {median:8.1f} us, p99 {worst:8.1f} us (compiled in {compiled * 1000:6.1f} ms)")
    each = (found[POLICIES][0] - found[CONCERNED][0]) / (POLICIES - CONCERNED)
    print(f"a policy that concerns the claim costs about {each:.1f} us")


if __name__ == "__main__":
    main()
