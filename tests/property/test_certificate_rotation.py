"""A year of certificates under chosen faults: no client that trusts what is published meets one that it must refuse."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certs.rotation import Asked, Publish, Step
from tests.support.certificate_simulation import YEAR, Blind, Fault, UnverifiedError, World
from tests.support.examples import examples

asks = st.lists(st.tuples(st.floats(0, YEAR * 0.99), st.sampled_from([Asked.CA, Asked.SERVING])), max_size=8)


@settings(max_examples=examples(50))
@given(seed=st.integers(0, 2**32), faults=st.lists(st.sampled_from(Fault), max_size=60), asked=asks)
def test_fm_14_whatever_fails_no_client_meets_a_certificate_that_it_cannot_verify(
    seed: int, faults: list[Fault], asked: list[tuple[float, Asked]]
) -> None:
    World(seed, faults, asked).run()


def test_a_year_without_faults_renews_what_ends_and_replaces_the_ca_in_four_stages() -> None:
    world = World(1, [], [(YEAR / 2, Asked.CA)])
    world.run()
    steps = [action for action in world.done if not isinstance(action, Publish) and action is not Step.ISSUE]
    stages = [Step.MAKE_NEXT_CA, Step.SIGN_WITH_NEXT_CA, Step.DROP_OLD_CA]
    assert steps in (stages, stages * 2), "once because it was asked for, once more where the first CA was old"
    assert 17 <= world.done.count(Step.ISSUE) <= 24
    assert len([action for action in world.done if isinstance(action, Publish)]) == 4 * len(steps) // 3


@pytest.mark.parametrize(
    ("blind", "fault"),
    [
        (Blind.TIME_TO_SETTLE, Fault.NONE),
        (Blind.CONFIGURATIONS, Fault.NONE),
        (Blind.REPLICAS, Fault.DEAF),
        (Blind.SERVER_TIME, Fault.CLOCK),
        (Blind.ORDER, Fault.LATE_BETWEEN_READS),
        (Blind.VERSIONS, Fault.LATE),
    ],
    ids=lambda each: each.name,
)
def test_a_controller_that_is_blind_to_one_thing_is_found_out(blind: Blind, fault: Fault) -> None:
    for seed in range(40):
        random = Random(seed)
        faults = random.choices([Fault.NONE, fault], k=60)
        try:
            World(seed, faults, [(random.uniform(0, YEAR), Asked.CA) for _ in range(6)], blind).run()
        except UnverifiedError:
            return
    pytest.fail("the simulation has not noticed")
