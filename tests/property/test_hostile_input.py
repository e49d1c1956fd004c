"""The laws that `make fuzz` tries for minutes, on a few changes of what is recorded, shown and exemplified."""

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import review_laws
from tests.fuzz.manifest_laws import hold_for_manifest
from tests.fuzz.review_changes import Json, changed_body, manifests, review_changes, reviews
from tests.fuzz.review_laws import Gate, hold_for_answer, hold_for_body
from tests.fuzz.selector_laws import go_deep, hold_for_selector
from tests.fuzz.targets import manifest_changes, recorded_selectors, selector_changes
from tests.fuzz.texts import bytes_of
from tests.support.examples import examples
from webhook.cel.environment import VERSIONS

CHOICES = st.randoms(use_true_random=False)
UNHURRIED = settings(deadline=None)


@pytest.fixture(scope="module", autouse=True)
def deep() -> None:
    go_deep()


@pytest.fixture(scope="module")
def gate() -> Iterator[Gate]:
    with review_laws.gate() as asked:
        yield asked


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("manifests") / "manifest.yaml"


@UNHURRIED
@given(st.sampled_from(recorded_selectors()), CHOICES, st.sampled_from(VERSIONS))
def test_changed_selectors_get_a_verdict_an_explanation_and_a_value(text: str, random: Random, version: str) -> None:
    hold_for_selector(selector_changes().changed(text, random), (version,), version)


@settings(deadline=None, max_examples=examples(100))
@given(st.sampled_from(reviews()), CHOICES)
def test_changed_reviews_are_decided_or_blamed_on_the_caller(gate: Gate, review: Json, random: Random) -> None:
    hold_for_body(gate, changed_body(json.dumps(review).encode(), random))


@settings(deadline=None, max_examples=50)
@given(st.sampled_from([review for review in reviews() if review["request"]["object"]]), CHOICES)
def test_what_is_wrong_inside_the_object_never_makes_a_review_unreadable(
    gate: Gate, review: Json, random: Random
) -> None:
    body = json.dumps(review_changes().changed(review, random, inside="object")).encode()
    for path in gate.paths:
        answer = gate.ask(path, body)
        hold_for_answer(gate, path, body, answer)
        assert answer.status == 200


@UNHURRIED
@given(st.binary(max_size=200))
def test_any_bytes_are_an_answer_of_a_command_that_reads_manifests(file: Path, content: bytes) -> None:
    hold_for_manifest(content, file)


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(manifests()), CHOICES)
def test_changed_manifests_are_an_answer_of_a_command(file: Path, text: str, random: Random) -> None:
    hold_for_manifest(bytes_of(manifest_changes().changed(text, random)), file)
