"""Selectors that would take a careless engine for ever: each review gets its decision, and so does the next one.

A decision that hangs is answered 503 after ten seconds (Limits.answer_seconds), so a decision at all is what shows it.
"""

import json
from collections.abc import Iterator, Sequence

import pytest

from tests.fuzz.review_changes import review_of
from tests.fuzz.review_laws import Gate, gate, hold_for_answer
from tests.support.build import Raw, claim_object, request
from webhook.server.app import MUTATE_CLAIMS, VALIDATE_CLAIMS

GPU = "gpu.nvidia.com"
MOST_BYTES = 10 * 1024
HUNDRED = f"[{', '.join(map(str, range(100)))}]"


@pytest.fixture(scope="module")
def asked() -> Iterator[Gate]:
    with gate() as running:
        yield running


def claim(*requests: Sequence[str]) -> Raw:
    """Return a claim of requests with these selectors."""
    made = [request(f"r{n}", *selectors, device_class=GPU) for n, selectors in enumerate(requests)]
    return claim_object(*made, name="bomb", namespace="team-a")


def decide(asked: Gate, raw: Raw, path: str) -> bool:
    """Return whether a claim is let pass, after seeing that an ordinary one is decided next."""
    body = json.dumps(review_of(raw)).encode()
    answer = asked.ask(path, body)
    hold_for_answer(asked, path, body, answer)
    assert answer.status == 200, answer
    ordinary = asked.ask(path, json.dumps(review_of(claim(["true"]), number=1)).encode())
    assert ordinary.status == 200
    return bool(json.loads(answer.body)["response"]["allowed"])


UNREADABLE = {
    "10,000 parentheses": f"{'(' * 10_000}true{')' * 10_000}",
    "a literal of a megabyte": f"'{'x' * 1_000_000}' == 'x'",
    "three megabytes": f"true{' || true' * 400_000}",
    "letters that look like others": "device\uff0edriver == 'x' && \uff44evice.driver == '\u2179'",
    "5,000 lists in each other": f"{'[' * 5_000}{']' * 5_000} == []",
    "a chain of macros that doubles": f"optional.of(1){'.optMap(x, x)' * 300} == optional.of(1)",
}


@pytest.mark.parametrize("expression", UNREADABLE.values(), ids=UNREADABLE.keys())
def test_t_01_what_cannot_be_parsed_in_time_is_refused(asked: Gate, expression: str) -> None:
    assert not decide(asked, claim([expression]), MUTATE_CLAIMS)
    decide(asked, claim([expression]), VALIDATE_CLAIMS)


COSTLY = {
    "signs in a row": [["!" * 9_999 + "true"]],
    "parentheses within a list": [[f"[{', '.join(['((((1))))'] * 500)}] == []"]],
    "loops in loops": [
        [f"{HUNDRED}.all(a, {HUNDRED}.all(b, {HUNDRED}.exists(c, a + b + c > {n})))" for n in range(32)]
    ],
    "loops over the device": [
        [
            "device.attributes.all(a, device.attributes.all(b, device.attributes[a].all(c, "
            f"device.attributes[b].all(d, c + d != '{n}'))))"
            for n in range(32)
        ]
    ]
    * 32,
    "1,024 contradictions": [
        [f"device.driver == 'x{n}-{m}' && device.driver == 'y{m}-{n}'" for n in range(32)] for m in range(32)
    ],
}


@pytest.mark.parametrize("path", [MUTATE_CLAIMS, VALIDATE_CLAIMS])
@pytest.mark.parametrize("requests", COSTLY.values(), ids=COSTLY.keys())
def test_t_02_what_costs_too_much_ends_with_its_time(asked: Gate, requests: list[list[str]], path: str) -> None:
    assert all(len(selector) <= MOST_BYTES for selectors in requests for selector in selectors)
    decide(asked, claim(*requests), path)


PATTERNS = {
    "a repeated repetition": f"'{'a' * 9_900}!'.matches('^(a+)+$')",
    "many of them": f"'{'a' * 5_000}!'.matches('{'(a*)*' * 200}')",
    "a count of counts": f"'{'a' * 5_000}!'.matches('((a{{1,30}}){{1,30}}){{1,30}}$')",
}


@pytest.mark.parametrize("expression", PATTERNS.values(), ids=PATTERNS.keys())
def test_t_03_no_pattern_takes_for_ever(asked: Gate, expression: str) -> None:
    decide(asked, claim([expression]), VALIDATE_CLAIMS)
