"""Random selectors: our verdict, cost, words and result are those of Kubernetes' own compiler."""

import os
from random import SystemRandom

import pytest

from tests.conformance.differential import Coverage, compare
from tests.support.reference import Reference
from webhook.cel.environment import device_environment

COUNT = 3_000
VERSION = "1.37"


@pytest.mark.timeout(900)
def test_random_selectors_are_judged_as_the_reference_judges_them(capsys: pytest.CaptureFixture[str]) -> None:
    if not Reference.is_built(VERSION):
        missing = "the reference compiler is not built: run `make conformance-reference`"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    seed = SystemRandom().randrange(1_000_000)
    coverage = Coverage(device_environment(VERSION))

    found = list(compare(VERSION, seed, COUNT, coverage))

    with capsys.disabled():
        print(f"\n{COUNT} random selectors against Kubernetes {VERSION}, seed {seed}: {len(found)} differences")
    assert not found, "\n".join(f"{one.expression}\n  ours   {one.ours}\n  theirs {one.theirs}" for one in found[:10])
