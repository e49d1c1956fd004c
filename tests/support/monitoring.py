"""What deploy/monitoring asks Prometheus for, and the metrics that there are to ask for."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.support.deployment import DEPLOY

MONITORING = DEPLOY / "monitoring"
RULES = MONITORING / "rules.yaml"
DASHBOARD = MONITORING / "dashboard.json"
RUNBOOKS = DEPLOY.parent / "docs" / "how-to" / "alerts.md"
METRICS_PAGE = DEPLOY.parent / "docs" / "reference" / "metrics.md"
# Metrics of kube-apiserver with the labels that are asked for; test_monitoring.py (e2e) meets them in a real one.
OF_THE_API_SERVER = {
    "apiserver_admission_webhook_fail_open_count": {"name"},
    "apiserver_admission_webhook_rejection_count": {"name", "error_type"},
    "apiserver_admission_webhook_admission_duration_seconds": {"name"},
}
_HISTOGRAMS_OF_THE_API_SERVER = {"apiserver_admission_webhook_admission_duration_seconds"}
OF_EVERY_TARGET = {"instance"}
_WORDS = {"and", "or", "unless"}
_OF_A_HISTOGRAM = ("_bucket", "_sum", "_count")


def rules() -> list[dict[str, Any]]:
    """Return all recording and alerting rules."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> dict[str, dict[str, Any]]:
    """Return the alerting rules by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def panels() -> list[dict[str, Any]]:
    """Return the panels of the dashboard that show something."""
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Yield each expression of rules and panels with its place; what Grafana fills in is filled in."""
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$__rate_interval", "5m")


def known_metrics() -> dict[str, set[str]]:
    """Return the labels of each series that can be asked for."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \|", METRICS_PAGE.read_text(), re.MULTILINE)
    known: dict[str, set[str]] = {}
    for name, kind, labels in rows:
        known |= _series(name, set(re.findall(r"`(\w+)`", labels)), is_histogram=kind == "histogram")
    for name, asked in OF_THE_API_SERVER.items():
        known |= _series(name, asked, is_histogram=name in _HISTOGRAMS_OF_THE_API_SERVER)
    recorded = {rule["record"]: set(re.findall(r"endpoint", rule["expr"])) for rule in rules() if "record" in rule}
    return known | recorded


def _series(name: str, labels: set[str], *, is_histogram: bool) -> dict[str, set[str]]:
    if is_histogram:
        return {name + end: labels | ({"le"} if end == "_bucket" else set()) for end in _OF_A_HISTOGRAM}
    return {name: labels}


def metrics_of(expression: str) -> dict[str, set[str]]:
    """Return the series that an expression names, each with the labels that it is selected by."""
    plain = re.sub(r"\b(?:by|on)\s*\([^)]*\)|\[[^\]]*\]", "", re.sub(r'"[^"]*"', '""', expression))
    found: dict[str, set[str]] = {}
    for name, what_follows in re.findall(r"(?<![\w:.])([a-zA-Z_][\w:]*)\s*(\{[^}]*\}|\()?", plain):
        if name not in _WORDS and what_follows != "(":
            found.setdefault(name, set()).update(re.findall(r"(\w+)\s*[=!]", what_follows))
    return found


def labels_grouped_by(expression: str) -> set[str]:
    """Return the labels that an expression groups or joins by."""
    groups = re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression)
    return {label.strip() for group in groups for label in group.split(",")}
