"""The laws of answers to hostile reviews hold over HTTPS too, with all that lies between a socket and a handler."""

import json
from collections.abc import Iterator, Sequence
from http.client import HTTPSConnection
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.review_changes import Json, changed_body, reviews
from tests.fuzz.review_laws import Answer, admission, hold_for_body
from tests.fuzz.selector_laws import go_deep
from tests.support.examples import examples
from tests.support.serving import Served, post, serving
from webhook.bootstrap.admission import Admission


class Caller:
    """Asks as the API server does, on a connection that stays open."""

    def __init__(self, served: Served, asked: Admission) -> None:
        self.paths: Sequence[str] = tuple(asked.handlers())
        self._served = served
        self._connection: HTTPSConnection = served.connect()

    def ask(self, path: str, body: bytes) -> Answer:
        found = post(self._connection, f"{path}?timeout=30s", body)
        return Answer(found.status, found.body)

    def bugs(self) -> list[str]:
        return [str(line) for line in self._served.log_lines() if line["level"] == "error"]

    def close(self) -> None:
        self._connection.close()


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    go_deep()
    certs = tmp_path_factory.mktemp("certificates")
    with admission() as asked, serving(asked.handlers(), certs) as served:
        made = Caller(served, asked)
        yield made
        made.close()
        assert made.bugs() == []


@settings(deadline=None, max_examples=examples(100))
@given(st.sampled_from(reviews()), st.randoms(use_true_random=False))
def test_hostile_reviews_are_decided_or_blamed_on_the_caller(caller: Caller, review: Json, random: Random) -> None:
    hold_for_body(caller, changed_body(json.dumps(review).encode(), random))
