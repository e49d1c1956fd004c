"""Random selectors: our verdict, cost, words and result are those of Kubernetes' own compiler."""

import os
from random import SystemRandom

import pytest

from tests.conformance.campaign import Part, run
from tests.support.reference import Reference

COUNT = 3_000
VERSION = "1.37"


@pytest.mark.timeout(900)
def test_random_selectors_are_judged_as_the_reference_judges_them(capsys: pytest.CaptureFixture[str]) -> None:
    if not Reference.is_built(VERSION):
        missing = "the reference compiler is not built: run `make conformance-reference`"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    part = Part(VERSION, SystemRandom().randrange(1_000_000), COUNT)

    outcome = run(part)

    with capsys.disabled():
        print(f"\nagainst Kubernetes' own compiler: {outcome.headline}")
    assert outcome.differences == 0, str(outcome)
