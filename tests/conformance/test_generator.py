"""The random selectors bring everything that the environment of a release has, and every way of being refused."""

from random import Random

import pytest

from tests.conformance.campaign import Part
from tests.conformance.coverage import Coverage
from tests.conformance.differential import devices, of_ours
from tests.conformance.generator import Generator
from webhook.cel.compile import compile_selector, device_environment
from webhook.cel.environment import VERSIONS

COUNT = 5_000  # a quarter of a campaign: everything comes a quarter as often


@pytest.mark.parametrize("version", VERSIONS)
def test_everything_comes_as_often_as_a_campaign_needs_it(version: str, capsys: pytest.CaptureFixture[str]) -> None:
    part = Part(version, 1, COUNT)
    environment, random, everyone = device_environment(version), Random(part.seed), devices()
    coverage = Coverage(environment)
    generator = Generator(environment, random, coverage)

    for _ in range(part.count):
        compiled = compile_selector(generator.expression(), environment)
        ours = of_ours(compiled, random.choice(everyone), version)
        coverage.count(compiled, ours.result, ours.eval_error)

    with capsys.disabled():
        print(f"\nKubernetes {version}, {part.count} random selectors:\n{coverage.summary()}")
    assert coverage.rare(part.least) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_seed_gives_the_same_selectors_again(version: str) -> None:
    environment = device_environment(version)
    first, again = (Generator(environment, Random(7)) for _ in range(2))
    assert [first.expression() for _ in range(100)] == [again.expression() for _ in range(100)]
