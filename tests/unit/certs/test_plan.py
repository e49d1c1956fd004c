"""The plan for a directory of certificates, and the law that a renewal leaves nothing to do."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certs.plan import CA_LIFE, LOOKAHEAD, SERVING_LIFE, Action, Facts, Validity, plan

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def valid(begin: timedelta, end: timedelta) -> Validity:
    return Validity(NOW + begin, NOW + end)


FRESH_CA = valid(-HOUR, CA_LIFE)
FRESH = valid(-HOUR, SERVING_LIFE)


def make_facts(
    ca: Validity | None = FRESH_CA,
    serving: Validity | None = FRESH,
    *,
    provided: bool = False,
    can_sign: bool = True,
    consistent: bool = True,
    covers: bool = True,
) -> Facts:
    return Facts(ca, serving, provided, can_sign, consistent, covers)


CASES = {
    "fresh files are kept": (make_facts(), Action.KEEP),
    "an empty directory gets everything": (
        make_facts(None, None, can_sign=False, consistent=False, covers=False),
        Action.RENEW_ALL,
    ),
    "a CA alone gets a serving certificate": (make_facts(serving=None), Action.RENEW_SERVING),
    "a serving certificate at two thirds of its life is renewed": (
        make_facts(serving=valid(-20 * DAY, 10 * DAY)),
        Action.RENEW_SERVING,
    ),
    "a serving certificate just before that is kept": (
        make_facts(serving=valid(-20 * DAY, 10 * DAY + HOUR)),
        Action.KEEP,
    ),
    "an expired serving certificate is renewed": (make_facts(serving=valid(-31 * DAY, -DAY)), Action.RENEW_SERVING),
    "a serving certificate from the future is renewed": (
        make_facts(serving=valid(DAY, 31 * DAY)),
        Action.RENEW_SERVING,
    ),
    "a CA that a serving certificate would outlive is renewed with it": (
        make_facts(ca=valid(-700 * DAY, 30 * DAY)),
        Action.RENEW_ALL,
    ),
    "an expired CA is renewed": (make_facts(ca=valid(-731 * DAY, -DAY)), Action.RENEW_ALL),
    "a key that does not fit is renewed": (make_facts(consistent=False), Action.RENEW_SERVING),
    "a missing name is added": (make_facts(covers=False), Action.RENEW_SERVING),
    "a CA without its key is replaced where nothing is served": (
        make_facts(serving=None, can_sign=False),
        Action.RENEW_ALL,
    ),
    "somebody else's files are kept, even expired": (
        make_facts(serving=valid(-31 * DAY, -DAY), provided=True, can_sign=False),
        Action.KEEP,
    ),
    "somebody else's unreadable files are kept": (
        make_facts(None, None, provided=True, can_sign=False, consistent=False, covers=False),
        Action.KEEP,
    ),
}


@pytest.mark.parametrize(("found", "action"), CASES.values(), ids=CASES.keys())
def test_the_plan(found: Facts, action: Action) -> None:
    assert plan(found, NOW, LOOKAHEAD) is action


validities = st.none() | st.builds(
    valid,
    st.timedeltas(timedelta(days=-800), timedelta(days=10)),
    st.timedeltas(timedelta(days=-10), timedelta(days=800)),
)


@given(
    ca=validities,
    serving=validities,
    can_sign=st.booleans(),
    consistent=st.booleans(),
    covers=st.booleans(),
    lookahead=st.timedeltas(timedelta(0), SERVING_LIFE - DAY),
)
def test_after_the_planned_renewal_there_is_nothing_to_do(
    ca: Validity | None, serving: Validity | None, can_sign: bool, consistent: bool, covers: bool, lookahead: timedelta
) -> None:
    before = make_facts(ca, serving, can_sign=can_sign, consistent=consistent, covers=covers)
    action = plan(before, NOW, lookahead)
    after = {
        Action.KEEP: before,
        Action.RENEW_SERVING: make_facts(ca),
        Action.RENEW_ALL: make_facts(),
    }[action]
    assert plan(after, NOW, lookahead) is Action.KEEP
