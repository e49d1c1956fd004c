"""examples/README.md says what becomes of each example; a server over examples/cluster says the same."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.support.judging import Json, Judge, judge_over, patched

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
FILES = sorted(path.relative_to(EXAMPLES) for folder in ("claims", "pods") for path in (EXAMPLES / folder).glob("*"))


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    with judge_over([EXAMPLES / "cluster"]) as judge:
        yield judge


def _promised() -> dict[str, tuple[str, set[str]]]:
    """Return the verdict of each file in the table of the README, its first word, and the rules that it names."""
    rows = re.findall(r"^\| (`.*) \| ((\w+).*) \|$", (EXAMPLES / "README.md").read_text(), re.MULTILINE)
    return {
        file: (verdict, set(re.findall(r"\[([a-z-]+)\]", text)))
        for files, text, verdict in rows
        for file in re.findall(r"`([^`]+)`", files)
    }


def _objects(file: Path) -> list[Json]:
    return list(yaml.safe_load_all((EXAMPLES / file).read_text()))


def _became(manifest: Json, responses: list[Json]) -> str:
    if not responses[-1]["allowed"]:
        return "denied"
    if patched(manifest, responses[0]) != manifest:
        return "rewritten"
    return "left" if manifest["kind"] in ("Pod", "Deployment") else "allowed"


def test_the_table_names_every_example() -> None:
    assert sorted(_promised()) == sorted(str(file) for file in FILES)


@pytest.mark.parametrize("file", FILES, ids=str)
def test_an_example_becomes_what_the_table_says(judge: Judge, file: Path) -> None:
    verdict, rules = _promised()[str(file)]
    given: set[str] = set()
    for manifest in _objects(file):
        responses = judge.responses(manifest)
        assert _became(manifest, responses) == verdict
        given.update(re.findall(r"\[([a-z-]+)\]\n", responses[-1].get("status", {}).get("message", "")))
    assert given == rules


def test_what_is_let_pass_unjudged_in_the_examples_is_counted_with_its_reasons(
    judge: Judge, capsys: pytest.CaptureFixture[str]
) -> None:
    reasons: Counter[str] = Counter()
    objects = [manifest for file in FILES for manifest in _objects(file)]
    for manifest in objects:
        for response in judge.responses(manifest):
            annotation = response.get("auditAnnotations", {}).get("findings", '{"findings": []}')
            findings = json.loads(annotation)["findings"]
            reasons.update(finding["message"] for finding in findings if finding["rule"] == "unjudged")
    with capsys.disabled():
        print(f"\nunjudged in {len(objects)} examples: {reasons.total()}")
        for reason, count in reasons.most_common():
            print(f"  {count:3} {reason}")
    # Claims and templates of the examples are judged whole; what surrounds pods is not judged yet.
    assert reasons.keys() <= {
        "how containers, claims and templates fit together is not judged",
        "how the workload's pods, claims and templates fit together is not judged",
    }
