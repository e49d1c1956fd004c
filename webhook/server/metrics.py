"""The numbers on /metrics. Labels are bounded: never a namespace, a user or an object's name."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

from webhook.core.decision import Decision, Deny
from webhook.core.finding import UNJUDGED, Severity
from webhook.core.review import Review
from webhook.server.course import Spent, Stage

_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
_STAGE_SECONDS: Final = (0.0005, 0.0025, 0.01, 0.05, 0.25, 1.0, 2.0)
_BYTES: Final = (1024, 4096, 16384, 65536, 262144, 1048576, 3145728, 8388608)
_OPERATIONS: Final = frozenset({"CREATE", "UPDATE", "DELETE", "CONNECT"})
_KINDS: Final = frozenset(
    {
        "ResourceClaim",
        "ResourceClaimTemplate",
        "DeviceClass",
        "Pod",
        "Deployment",
        "StatefulSet",
        "DaemonSet",
        "Job",
        "CronJob",
        "DeviceQuota",
        "ClusterDeviceQuota",
        "ClaimPolicy",
        "LegacyMapping",
        "DeviceInventory",
    }
)
_MOST_LABELS = 200
_POLICY = "policy/"


class Metrics:
    """One registry a process; other parts add theirs to `registry`."""

    def __init__(self, version: str = "") -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        GCCollector(registry=registry)
        self._reviews = Counter(
            "drawbridge_admission_requests",
            "Reviews decided.",
            ("endpoint", "operation", "kind", "decision", "dry_run"),
            registry=registry,
        )
        self._findings = Counter(
            "drawbridge_findings", "Findings given, by rule.", ("rule", "severity"), registry=registry
        )
        self._unjudged = Counter(
            "drawbridge_unjudged", "What was let pass because it cannot be judged.", ("what",), registry=registry
        )
        self._policy_outcomes = Counter(
            "drawbridge_policy_outcomes",
            "What became of each policy that looked at an object.",
            ("policy", "outcome"),
            registry=registry,
        )
        self.policies_broken = Gauge(
            "drawbridge_policies_broken",
            "Policies whose newest version does not work, by what is done instead.",
            ("instead",),
            registry=registry,
        )
        self._seconds = Histogram(
            "drawbridge_admission_duration_seconds",
            "From the request's head to its answer.",
            ("endpoint",),
            buckets=_SECONDS,
            registry=registry,
        )
        self._stage_seconds = Histogram(
            "drawbridge_admission_stage_seconds",
            "What the time of a request is spent on: `read`, `wait`, `parse`, `judge`, `ledger`, `write`.",
            ("endpoint", "stage"),
            buckets=_STAGE_SECONDS,
            registry=registry,
        )
        self.body_bytes = Histogram(
            "drawbridge_request_body_bytes", "Size of request bodies.", buckets=_BYTES, registry=registry
        )
        self._faults = Counter(
            "drawbridge_faults", "Answers that are no decision, by status.", ("endpoint", "code"), registry=registry
        )
        self.rule_faults = Counter(
            "drawbridge_rule_faults", "Reviews answered 500 because a rule failed.", ("rule",), registry=registry
        )
        self._shed = Counter("drawbridge_shed", "Requests sent away with Retry-After.", ("reason",), registry=registry)
        self._unknown_kinds = Counter(
            "drawbridge_unknown_kinds",
            "Reviews of kinds that the endpoint does not know; allowed.",
            ("endpoint",),
            registry=registry,
        )
        self._cut = Counter(
            "drawbridge_connections_cut", "Connections ended by a limit.", ("reason",), registry=registry
        )
        self.deciding = Gauge("drawbridge_admission_in_flight", "Reviews being decided now.", registry=registry)
        self.waiting = Gauge("drawbridge_admission_waiting", "Reviews that wait to be decided.", registry=registry)
        self.draining = Gauge("drawbridge_draining", "1 while draining.", registry=registry)
        self.loop_lag = Gauge(
            "drawbridge_event_loop_lag_seconds",
            "The longest that the event loop was late in the last half to whole minute.",
            registry=registry,
        )
        self.loop_blocks = Counter(
            "drawbridge_event_loop_blocks",
            "Times that the event loop stood for more than 50 ms.",
            registry=registry,
        )
        self.tls_not_after = Gauge(
            "drawbridge_tls_not_after_timestamp_seconds",
            "When the certificate that is served expires.",
            registry=registry,
        )
        self._tls_reloads = Counter(
            "drawbridge_tls_reloads", "Attempts to take a new certificate.", ("result",), registry=registry
        )
        self.ledger_conflicts = Counter(
            "drawbridge_ledger_conflicts", "Quota writes that had to be tried again.", registry=registry
        )
        self.referee_disagreements = Counter(
            "drawbridge_referee_disagreements",
            "Expressions on which the two CEL engines disagree.",
            registry=registry,
        )
        self._pod_events = Counter(
            "drawbridge_pod_events",
            "Events on pods whose claim was refused: `written`, or `held-back` because there were too many.",
            ("outcome",),
            registry=registry,
        )
        self.log_lines_dropped = Counter(
            "drawbridge_log_lines_dropped", "Log lines that nobody read in time.", registry=registry
        )
        Gauge("drawbridge_build_info", "Always 1; the label is the version.", ("version",), registry=registry).labels(
            version
        ).set(1)
        self._series: dict[tuple[str, ...], tuple[Counter, Histogram]] = {}
        self._stages: dict[tuple[str, Stage], Histogram] = {}
        self._seen: dict[str, set[str]] = {}

    def decided(self, endpoint: str, review: Review, decision: Decision, seconds: float) -> None:
        """Count one decision and its findings."""
        operation, kind = review.operation, review.kind.name
        labels = (
            endpoint,
            operation if operation in _OPERATIONS else "other",
            kind if kind in _KINDS else "other",
            outcome(decision),
            "true" if review.dry_run else "false",
        )
        series = self._series.get(labels)
        if series is None:  # looking labels up in the library takes longer than counting, and they are bounded
            series = self._series[labels] = (self._reviews.labels(*labels), self._seconds.labels(endpoint))
        count, duration = series
        count.inc()
        duration.observe(seconds)
        for finding in decision.findings:
            if finding.disputed:
                self.referee_disagreements.inc()
            if finding.rule == UNJUDGED:
                self.unjudged(finding.what)
            else:
                self._findings.labels(self._rule(finding.rule), finding.severity.value).inc()

    def spent(self, endpoint: str, stretches: Iterable[Spent]) -> None:
        """Count what a request took, stage by stage."""
        seconds: dict[Stage, float] = {}
        for each in stretches:
            seconds[each.stage] = seconds.get(each.stage, 0.0) + each.until - each.since
        for stage, total in seconds.items():
            self._of_stage(endpoint, stage).observe(total)

    def _of_stage(self, endpoint: str, stage: Stage) -> Histogram:
        found = self._stages.get((endpoint, stage))
        if found is None:
            found = self._stages[endpoint, stage] = self._stage_seconds.labels(endpoint, stage.value)
        return found

    def unjudged(self, what: str) -> None:
        self._unjudged.labels(self._bounded("unjudged", what or "unnamed")).inc()

    def policy_outcome(self, policy: str, result: str) -> None:
        self._policy_outcomes.labels(self._bounded(_POLICY, policy), result).inc()

    def fault(self, endpoint: str, code: int) -> None:
        self._faults.labels(endpoint, str(code)).inc()

    def shed(self, reason: str) -> None:
        self._shed.labels(reason).inc()

    def unknown_kind(self, endpoint: str) -> None:
        self._unknown_kinds.labels(endpoint).inc()

    def cut(self, reason: str) -> None:
        self._cut.labels(reason).inc()

    def pod_event(self, outcome: str) -> None:
        self._pod_events.labels(outcome).inc()

    def tls_reload(self, result: str) -> None:
        self._tls_reloads.labels(result).inc()

    def start_at_zero(self, endpoints: Iterable[str]) -> None:
        """Make the series that alerts and pages ask for exist before anything has happened."""
        for endpoint in endpoints:
            self._seconds.labels(endpoint)
            for stage in Stage:
                self._of_stage(endpoint, stage)
            self._faults.labels(endpoint, "500")
        for reason in ("queue", "wait", "memory", "late", "draining", "unavailable"):
            self._shed.labels(reason)
        for result in ("loaded", "rejected"):
            self._tls_reloads.labels(result)
        for told in ("written", "held-back"):
            self._pod_events.labels(told)

    def _rule(self, rule: str) -> str:
        """Return the label of a rule; those of policies cannot crowd out the others."""
        if rule.startswith(_POLICY):
            return _POLICY + self._bounded(_POLICY, rule.removeprefix(_POLICY))
        return self._bounded("rule", rule)

    def _bounded(self, group: str, label: str) -> str:
        """Return the label, or `other` once a group has so many that they must come from outside."""
        seen = self._seen.setdefault(group, set())
        if label in seen:
            return label
        if len(seen) >= _MOST_LABELS:
            return "other"
        seen.add(label)
        return label


def outcome(decision: Decision) -> str:
    """Return `deny`, `warn` or `allow`."""
    if isinstance(decision, Deny):
        return "deny"
    if any(finding.severity is Severity.WARN for finding in decision.findings):
        return "warn"
    return "allow"
