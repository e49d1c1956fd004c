"""Users who go on asking the API server, each in a thread and on a connection of his own, and what came of it."""

import http.client
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from tests.controlplane.api import Json
from tests.controlplane.waiting import wait_for

CALLS_A_CREATE = 2
"""A claim that is created is shown to /mutate/claims and to /validate/claims."""


class Load:
    """`jobs` run until the end of the block `running`; each looks at `over`, and tells what came of each turn."""

    def __init__(self, jobs: Sequence[Callable[[], None]]) -> None:
        self.done = 0
        self.failures: Counter[str] = Counter()
        self.over = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=job) for job in jobs]

    def count(self, failure: str) -> None:
        """Note the end of a turn; an empty text is a good one."""
        with self._lock:
            if failure:
                self.failures[failure] += 1
            else:
                self.done += 1

    @contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self.over.set()
            for thread in self._threads:
                thread.join()

    def reach(self, done: float) -> None:
        """Wait until that many turns are done, or one has failed; a job that ends by an exception ends this too."""

        def reached() -> bool:
            return self.done >= done or bool(self.failures) or not all(thread.is_alive() for thread in self._threads)

        wait_for(f"{done:.0f} turns", reached, 900)


def ask(
    connection: http.client.HTTPSConnection, headers: Mapping[str, str], method: str, path: str, body: Json | None
) -> str:
    """Ask on a connection that stays open; returns the message of a refusal, empty where there is none."""
    connection.request(method, path, None if body is None else json.dumps(body), dict(headers))
    answer = connection.getresponse()
    text = answer.read()
    return "" if answer.status < 400 else str(json.loads(text).get("message") or answer.status)
