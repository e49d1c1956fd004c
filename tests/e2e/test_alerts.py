"""The alerts of deploy/monitoring fire when they should and not before, as Prometheus' own promtool sees it."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import trustme
import yaml

from tests.controlplane.api import ApiError, Json
from tests.controlplane.build import promtool
from tests.controlplane.cluster import ControlPlane, free_port
from tests.controlplane.installation import Installation
from tests.controlplane.objects import CLAIMS, make_claim_object, make_exact_request
from tests.controlplane.waiting import wait_for
from tests.controlplane.webhooks import RESOURCES, point_at
from tests.support.monitoring import OF_THE_API_SERVER, RULES, alerts, queries

pytestmark = pytest.mark.e2e

ONE = 'instance="a"'
CLAIMS_WEBHOOK = 'name="claims.validate.drawbridge.dev"'
DAY = 86400


@dataclass(frozen=True, slots=True)
class Case:
    """Series, a sample a minute, with which an alert fires after `minutes`, and others with which it does not.

    Of its texts only the summary depends on numbers; `labels` are those that it has beside its severity.
    """

    fires: Mapping[str, str]
    quiet: Mapping[str, str]
    summary: str
    labels: Mapping[str, str] = field(default_factory=dict)
    minutes: int = 20


def _shares(numerator: str, labels: str, rate: int) -> Mapping[str, str]:
    """Return 600 decided requests a minute, and so many that were not."""
    return {
        'drawbridge_admission_requests_total{decision="allow"}': "0+600x90",
        f"{numerator}{{{labels}}}": f"0+{rate}x90",
    }


def _p99(seconds: str) -> Mapping[str, str]:
    series = 'drawbridge_admission_duration_seconds_bucket{endpoint="/validate/claims",le="%s"}'
    bounds = ("0.25", "0.5", "1.0", "+Inf")
    return {series % bound: "0+100x90" if float(bound) >= float(seconds) else "0+90x90" for bound in bounds}


CASES = {
    "DrawbridgeAbsent": Case({}, {f"drawbridge_ready{{{ONE}}}": "0x90"}, "No replica of Drawbridge is seen."),
    "DrawbridgeTooFewReady": Case(
        {'drawbridge_ready{instance="a"}': "1x90", 'drawbridge_ready{instance="b"}': "0x90"},
        {'drawbridge_ready{instance="a"}': "1x90", 'drawbridge_ready{instance="b"}': "1x90"},
        "1 replicas of Drawbridge are ready; the next one that goes takes admission along.",
    ),
    "DrawbridgeReplicaNotReady": Case(
        {f"drawbridge_ready{{{ONE}}}": "0x90"},
        {f"drawbridge_ready{{{ONE}}}": "0x15 1 0x90"},
        "A replica of Drawbridge (a) has not been ready for ten minutes.",
        {"instance": "a"},
    ),
    "DrawbridgeErrors": Case(
        {'drawbridge_faults_total{code="500"}': "0+12x90"},  # and nothing was ever decided
        _shares("drawbridge_faults_total", 'code="503"', 12),
        "100% of the requests end in an error of Drawbridge.",
    ),
    "DrawbridgeRuleFails": Case(
        {'drawbridge_rule_faults_total{instance="a",rule="mig-unknown-profile"}': "0x10 1x90"},
        {'drawbridge_rule_faults_total{instance="a",rule="mig-unknown-profile"}': "4x90"},
        "Reviews end in an error because the rule mig-unknown-profile fails.",
        {"rule": "mig-unknown-profile"},
    ),
    "DrawbridgeSheds": Case(
        _shares("drawbridge_shed_total", 'reason="queue"', 30),
        _shares("drawbridge_shed_total", 'reason="draining"', 30),
        "5% of the requests are sent away with Retry-After.",
    ),
    "DrawbridgeSlow": Case(
        _p99("1.0"),
        _p99("0.5"),
        "One request in a hundred to /validate/claims takes 950ms or longer.",
        {"endpoint": "/validate/claims"},
    ),
    "DrawbridgeLoopLags": Case(
        {f"drawbridge_event_loop_lag_seconds{{{ONE}}}": "0.4x90"},
        {f"drawbridge_event_loop_lag_seconds{{{ONE}}}": "0.4x16 0.1 0.4x90"},
        "A replica of Drawbridge (a) stands still for 400ms.",
        {"instance": "a"},
    ),
    "DrawbridgeFailsOpen": Case(
        {f"apiserver_admission_webhook_fail_open_count{{{CLAIMS_WEBHOOK}}}": "0+3x90"},
        {
            f"apiserver_admission_webhook_fail_open_count{{{CLAIMS_WEBHOOK}}}": "3x90",
            'apiserver_admission_webhook_fail_open_count{name="somebody.else.dev"}': "0+3x90",
        },
        "The API server lets objects pass unseen, because claims.validate.drawbridge.dev does not answer.",
        {"name": "claims.validate.drawbridge.dev"},
    ),
    "DrawbridgeFailsClosed": Case(
        {
            f'apiserver_admission_webhook_rejection_count{{{CLAIMS_WEBHOOK},error_type="calling_webhook_error"}}': (
                "0+3x90"
            )
        },
        {
            f'apiserver_admission_webhook_rejection_count{{{CLAIMS_WEBHOOK},error_type="no_error"}}': "0+3x90",
            # One call that was lost wakes nobody.
            f'apiserver_admission_webhook_rejection_count{{{CLAIMS_WEBHOOK},error_type="calling_webhook_error"}}': (
                "0x17 1x90"
            ),
        },
        "The API server refuses objects, because claims.validate.drawbridge.dev does not answer.",
        {"name": "claims.validate.drawbridge.dev"},
    ),
    "DrawbridgeCertificateEnds": Case(
        {f"drawbridge_tls_not_after_timestamp_seconds{{{ONE}}}": f"{7 * DAY + 1200}x90"},
        {
            f"drawbridge_tls_not_after_timestamp_seconds{{{ONE}}}": f"{8 * DAY}x90",
            'drawbridge_tls_not_after_timestamp_seconds{instance="controller"}': "0x90",
        },
        "The certificate that a serves ends in 7d 0h 0m 0s and is not renewed.",
        {"instance": "a"},
    ),
    "DrawbridgeCertificateEndsSoon": Case(
        {f"drawbridge_tls_not_after_timestamp_seconds{{{ONE}}}": f"{DAY + 1200}x90"},
        {f"drawbridge_tls_not_after_timestamp_seconds{{{ONE}}}": f"{2 * DAY}x90"},
        "The certificate that a serves ends in 1d 0h 0m 0s; every call fails then.",
        {"instance": "a"},
    ),
    "DrawbridgeCAEnds": Case(
        {"drawbridge_ca_not_after_timestamp_seconds": f"{181 * DAY + 4800}x90"},
        {"drawbridge_ca_not_after_timestamp_seconds": f"{183 * DAY}x90"},
        "The CA of the serving certificates ends in 181d 0h 0m 0s and is not replaced.",
        minutes=80,
    ),
    "DrawbridgeCertificateRejected": Case(
        {f'drawbridge_tls_reloads_total{{{ONE},result="rejected"}}': "0x10 1x90"},
        {f'drawbridge_tls_reloads_total{{{ONE},result="loaded"}}': "0x10 1x90"},
        "A replica of Drawbridge (a) was given a certificate that it cannot serve; it keeps the last good one.",
        {"instance": "a", "result": "rejected"},
    ),
    "DrawbridgeRotationFails": Case(
        {"drawbridge_certificate_failures_total": "0+1x90"},
        {"drawbridge_certificate_failures_total": "0x30 1x90"},
        "What keeps certificates cannot read or write what it needs.",
        minutes=60,
    ),
    "DrawbridgeWatchSilent": Case(
        {
            f'drawbridge_cache_last_event_age_seconds{{{ONE},kind="pods"}}': "0+60x90",
            f'drawbridge_cache_synced{{{ONE},kind="pods"}}': "1x90",
        },
        {
            f'drawbridge_cache_last_event_age_seconds{{{ONE},kind="pods"}}': "0+60x90",
            f'drawbridge_cache_synced{{{ONE},kind="pods"}}': "0x90",
            f'drawbridge_cache_last_event_age_seconds{{{ONE},kind="nodes"}}': "60x90",
            f'drawbridge_cache_synced{{{ONE},kind="nodes"}}': "1x90",
        },
        "a has heard nothing of pods for 20m 0s, and judges by what it knew then.",
        {"instance": "a", "kind": "pods"},
    ),
    "DrawbridgeNobodyLeads": Case(
        {'drawbridge_leading{instance="a"}': "0x90", 'drawbridge_leading{instance="b"}': "0x90"},
        {'drawbridge_leading{instance="a"}': "0x90", 'drawbridge_leading{instance="b"}': "1x90"},
        "No controller leads; no templates are made and no quota is given back.",
    ),
    "DrawbridgeLedgerContended": Case(
        {"drawbridge_ledger_conflicts_total": "0+1200x90"},
        {"drawbridge_ledger_conflicts_total": "0+300x90"},
        "20 writes a second to quotas have to be tried again.",
    ),
    "DrawbridgeQuotaDrifts": Case(
        {"drawbridge_quota_drifts_total": "0x10 1x90"},
        {"drawbridge_quota_drifts_total": "5x90"},
        "Somebody else has written the status of quotas.",
    ),
    "DrawbridgePolicyBroken": Case(
        {
            'drawbridge_policies_broken{instance="a",instead="failurePolicy"}': "1x90",
            'drawbridge_policies_broken{instance="b",instead="failurePolicy"}': "1x90",
        },
        {'drawbridge_policies_broken{instance="a",instead="failurePolicy"}': "0x90"},
        "1 policies do not work as they are written; what holds instead: failurePolicy.",
        {"instead": "failurePolicy"},
    ),
    "DrawbridgePoliciesDiffer": Case(
        {
            'drawbridge_policy_generation{instance="a",policy="most-devices"}': "2x90",
            'drawbridge_policy_generation{instance="b",policy="most-devices"}': "3x90",
        },
        {
            'drawbridge_policy_generation{instance="a",policy="most-devices"}': "2x10 3x80",
            'drawbridge_policy_generation{instance="b",policy="most-devices"}': "2x9 3x81",
        },
        "Replicas of Drawbridge judge by different versions of the policy most-devices.",
        {"policy": "most-devices"},
    ),
}


def _promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    if not promtool().is_done():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("promtool is not built: run `make controlplane`")
    command = [str(promtool().program("promtool")), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def _tests(name: str, case: Case) -> list[dict[str, object]]:
    alert = alerts()[name]
    expected = {
        "exp_labels": {**alert["labels"], **case.labels},
        "exp_annotations": {**alert["annotations"], "summary": case.summary},
    }
    return [
        {
            "name": f"{name} {'fires' if fires else 'is quiet'}",
            "interval": "1m",
            "input_series": [{"series": series, "values": values} for series, values in given.items()],
            "alert_rule_test": [
                {"alertname": name, "eval_time": f"{case.minutes}m", "exp_alerts": [expected] if fires else []}
            ],
        }
        for given, fires in ((case.fires, True), (case.quiet, False))
    ]


def test_fm_50_every_alert_fires_when_it_should_and_not_before(tmp_path: Path) -> None:
    assert CASES.keys() == alerts().keys()
    tests = [test for name, case in CASES.items() for test in _tests(name, case)]
    file = tmp_path / "alerts.json"
    file.write_text(json.dumps({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": tests}))
    done = _promtool("test", "rules", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_reads_all_rules_and_what_the_dashboard_asks(tmp_path: Path) -> None:
    asked = [{"record": f"panel:{number}", "expr": expression} for number, (_, expression) in enumerate(queries())]
    panels = tmp_path / "panels.yaml"
    panels.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": asked}]}))
    done = _promtool("check", "rules", "--lint=all", "--lint-fatal", str(RULES), str(panels))
    assert done.returncode == 0, done.stdout + done.stderr


def test_fm_50_the_api_server_counts_under_the_names_that_the_alerts_ask_for(
    cluster: ControlPlane, installation: Installation, namespace: str
) -> None:
    """Nobody answers: what fails open is counted, what fails closed is refused and counted."""
    [manifest] = [m for m in installation.webhooks if m["kind"] == "ValidatingWebhookConfiguration"]
    url, ca = f"https://127.0.0.1:{free_port()}", trustme.CA().cert_pem.bytes()
    dead = point_at(manifest, url, ca, namespace)
    [webhook] = [w for w in dead["webhooks"] if w["name"].startswith("claims.")]
    claim = make_claim_object(namespace, "any", make_exact_request(1, "any"))

    def is_refused() -> bool:
        try:
            cluster.api.create(CLAIMS, claim, dry_run=True)
        except ApiError as error:
            return "failed calling webhook" in error.message
        return False

    def is_counted() -> bool:
        lines = cluster.kubectl("get", "--raw", "/metrics").stdout.splitlines()
        ours = [line for line in lines if webhook["name"] in line]
        return all(
            any(line.startswith(metric) and all(f'{label}="' in line for label in labels) for line in ours)
            for metric, labels in OF_THE_API_SERVER.items()
        )

    def with_policy(policy: str) -> Json:
        return {**dead, "webhooks": [{**webhook, "failurePolicy": policy}]}

    resource = RESOURCES[manifest["kind"]]
    with cluster.api.temporarily(resource, with_policy("Fail")):
        wait_for("refusal", is_refused)
    with cluster.api.temporarily(resource, with_policy("Ignore")):
        wait_for("all three", lambda: not is_refused() and is_counted())
