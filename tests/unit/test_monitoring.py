"""Rules and dashboard of deploy/monitoring ask for metrics that there are, and every alert says what to do."""

import re

import pytest
import yaml

from tests.support.monitoring import (
    MONITORING,
    OF_EVERY_TARGET,
    RULES,
    RUNBOOKS,
    alerts,
    known_metrics,
    labels_grouped_by,
    metrics_of,
    panels,
    queries,
)

QUERIES = list(queries())
KNOWN = known_metrics()


@pytest.mark.parametrize(("place", "expression"), QUERIES, ids=[f"{place} {n}" for n, (place, _) in enumerate(QUERIES)])
def test_a_query_names_metrics_and_labels_that_there_are(place: str, expression: str) -> None:
    named = metrics_of(expression)
    assert named, place
    assert named.keys() <= KNOWN.keys()
    for metric, selected in named.items():
        assert selected <= KNOWN[metric], metric
    there = set().union(*(KNOWN[metric] for metric in named))
    assert labels_grouped_by(expression) <= there | OF_EVERY_TARGET


def test_what_is_read_of_a_query_is_all_that_it_names() -> None:
    """The reader itself: words in texts, functions, durations and labels are no metrics."""
    named = metrics_of('sum by (le) (rate(a_bucket{b="x c",d!="e"}[5m])) / on (b) (f:g > 0.5) and h offset 1')
    assert named.keys() == {"a_bucket", "f:g", "h", "offset"}
    assert named["a_bucket"] == {"b", "d"}


@pytest.mark.parametrize("name", alerts())
def test_an_alert_has_a_severity_and_a_section_that_says_what_to_do(name: str) -> None:
    alert = alerts()[name]
    assert alert["labels"] in ({"severity": "warning"}, {"severity": "critical"})
    assert len(alert["annotations"]["summary"]) < 200
    assert alert["annotations"]["runbook"] == f"docs/how-to/alerts.md#{name.lower()}"


def test_the_page_of_alerts_has_a_section_for_each_and_no_others() -> None:
    sections = re.findall(r"^### (\w+)$", RUNBOOKS.read_text(), re.MULTILINE)
    assert sections == list(alerts())


def test_labels_in_texts_are_those_that_the_alert_has() -> None:
    """Prometheus writes an empty text for any other."""
    for name, alert in alerts().items():
        texts = "".join(alert["annotations"].values())
        shown = set(re.findall(r"\$labels\.(\w+)", texts))
        there = set().union(*(KNOWN[metric] for metric in metrics_of(alert["expr"]))) | OF_EVERY_TARGET
        grouped = labels_grouped_by(alert["expr"])
        assert shown <= (grouped if "sum by" in alert["expr"] or "max by" in alert["expr"] else there), name


def test_every_panel_says_what_it_shows_and_has_a_place_of_its_own() -> None:
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in panels()]
    assert len(set(places)) == len(places)
    for panel in panels():
        assert panel["description"], panel["title"]
        assert panel["targets"], panel["title"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


def test_the_operator_gets_the_same_rules(request: pytest.FixtureRequest) -> None:
    """`--update-golden` makes prometheusrule.yaml of rules.yaml."""
    made = "# Made of rules.yaml; change that one.\n" + yaml.safe_dump(
        {
            "apiVersion": "monitoring.coreos.com/v1",
            "kind": "PrometheusRule",
            "metadata": {
                "name": "drawbridge",
                "namespace": "drawbridge-system",
                "labels": {"app.kubernetes.io/name": "drawbridge"},
            },
            "spec": yaml.safe_load(RULES.read_text()),
        },
        sort_keys=False,
        width=1000,
    )
    path = MONITORING / "prometheusrule.yaml"
    if request.config.getoption("--update-golden"):
        path.write_text(made)
    else:
        assert path.read_text() == made
