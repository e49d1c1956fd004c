"""The chart's README is made from its values, and its schema knows them all; `--update-golden` writes what is made."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.chart_page import CHART, chart_page, values
from webhook.settings import READERS

VALUES = list(values(CHART / "values.yaml"))
SCHEMA = json.loads((CHART / "values.schema.json").read_text())


def test_the_readme_says_what_the_values_say(request: pytest.FixtureRequest) -> None:
    page = CHART / "README.md"
    if request.config.getoption("--update-golden"):
        page.write_text(chart_page())
    else:
        assert page.read_text() == chart_page()


def test_every_value_says_what_it_is() -> None:
    assert [path for path, _, said in VALUES if not said] == []


def _paths(schema: Any, above: str = "") -> Iterator[str]:
    if "$ref" in schema:
        schema = SCHEMA["definitions"][schema["$ref"].rpartition("/")[2]]
    if "properties" not in schema or above == "settings" or above.endswith((".resources", ".namespaceSelector")):
        yield above
        return
    assert schema["additionalProperties"] is False, above
    for name, inner in schema["properties"].items():
        yield from _paths(inner, f"{above}.{name}" if above else name)


def test_the_schema_knows_the_values_and_no_others() -> None:
    """`global` is Helm's own."""
    assert set(_paths(SCHEMA)) == {path for path, _, _ in VALUES} | {"global"}


def test_the_schema_knows_the_settings_of_the_programs(request: pytest.FixtureRequest) -> None:
    """A misspelt one would let no pod start."""
    settings = SCHEMA["properties"]["settings"]
    if request.config.getoption("--update-golden"):
        settings["properties"] = {name: {} for name in READERS}
        (CHART / "values.schema.json").write_text(json.dumps(SCHEMA, indent=1) + "\n")
    else:
        assert settings["properties"].keys() == READERS.keys()
        assert settings["additionalProperties"] is False


def test_settings_that_the_chart_refuses_are_there() -> None:
    guards = (CHART / "templates" / "guards.yaml").read_text()
    [names] = re.findall(r'list ("host" .*?) \}\}', guards)
    assert {json.loads(name) for name in names.split()} <= READERS.keys()


def test_the_chart_installs_the_version_of_the_package() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = (CHART.parents[2] / "pyproject.toml").read_text()
    assert f'version = "{chart["version"]}"' in project
    assert chart["appVersion"] == chart["version"]
