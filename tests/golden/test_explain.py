"""`drawbridge explain` on a small cluster: exactly what people and programs read.

`pytest tests/golden/test_explain.py --update-golden` writes what it says beside the manifests.
"""

import contextlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from webhook.cli import main

FOLDER = Path(__file__).parent / "explain"


def explain(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["explain", *map(str, arguments)])


@pytest.mark.parametrize("output", ["text", "json"])
@pytest.mark.parametrize("manifest", ["claim", "deployment"])
def test_the_funnel_of_each_request(manifest: str, output: str, request: pytest.FixtureRequest) -> None:
    with contextlib.chdir(FOLDER):
        done = explain("--cluster", "cluster.yaml", "-o", output, f"{manifest}.yaml")
    assert done.exit_code == 0, done.output
    golden = FOLDER / f"{manifest}.{'txt' if output == 'text' else 'json'}"
    if request.config.getoption("--update-golden"):
        golden.write_text(done.stdout)
    assert done.stdout == golden.read_text()


def test_a_reference_to_nothing_is_told_beside_the_report() -> None:
    done = explain("--cluster", FOLDER / "cluster.yaml", FOLDER / "deployment.yaml")
    assert done.stderr == "drawbridge: ResourceClaimTemplate 'not-there' in namespace 'team-a' does not exist\n"


def test_with_several_clusters_each_request_is_told_of_each(tmp_path: Path) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("{apiVersion: v1, kind: Namespace, metadata: {name: team-a}}")
    clusters = (FOLDER / "cluster.yaml", empty)
    chosen = [part for cluster in clusters for part in ("--cluster", str(cluster))]
    report = json.loads(explain(*chosen, "-o", "json", FOLDER / "claim.yaml").stdout)
    assert [(r["cluster"], r["request"], r["devices"]) for r in report["requests"][:5:4]] == [
        (str(clusters[0]), "gpu", 22),
        (str(clusters[0]), "unguarded", 22),
    ]
    assert {request["devices"] for request in report["requests"] if request["cluster"] == str(empty)} == {0}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param([FOLDER / "claim.yaml"], "--cluster DIR or --kubeconfig FILE is needed", id="no cluster"),
        pytest.param(
            ["--cluster", FOLDER / "cluster.yaml", "-"], "has no claim or template that asks for devices", id="no claim"
        ),
        pytest.param(["--cluster", FOLDER / "gone", FOLDER / "claim.yaml"], "does not exist", id="no such cluster"),
        pytest.param(["--cluster", FOLDER / "cluster.yaml", FOLDER / "gone.yaml"], "gone.yaml", id="no such file"),
    ],
)
def test_what_cannot_be_explained_ends_with_two(arguments: list[str | Path], said: str) -> None:
    done = explain(*arguments)
    assert done.exit_code == 2
    assert said in done.stderr
