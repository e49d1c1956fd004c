"""Label selectors."""

from collections.abc import Mapping

import pytest

from webhook.core.fieldpath import ROOT
from webhook.core.labels import LabelSelector, parse_label_selector
from webhook.core.raw import Reader


@pytest.mark.parametrize(
    ("raw", "labels", "matches"),
    [
        pytest.param({}, {}, True, id="an empty selector matches everything"),
        pytest.param({"matchLabels": {"team": "a"}}, {"team": "a"}, True, id="an equal label"),
        pytest.param({"matchLabels": {"team": "a"}}, {}, False, id="an absent label is not equal"),
        pytest.param(
            {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, {}, True, id="absent: NotIn"
        ),
        pytest.param({"matchExpressions": [{"key": "t", "operator": "Exists"}]}, {"t": ""}, True, id="empty exists"),
        pytest.param({"matchExpressions": [{"key": "t", "operator": "DoesNotExist"}]}, {"t": ""}, False, id="exists"),
        pytest.param({"matchExpressions": [{"key": "t", "operator": "Like"}]}, {"t": ""}, False, id="unknown operator"),
    ],
)
def test_a_selector_matches_as_kubernetes_does(
    raw: dict[str, object], labels: Mapping[str, str], matches: bool
) -> None:
    reader = Reader()
    assert parse_label_selector(raw, ROOT, reader).matches(labels) is matches
    assert reader.misfits == []


def test_no_selector_matches_everything() -> None:
    assert LabelSelector().matches({"any": "thing"})
