"""A caller that treats connections as the API server does."""

import ssl
import threading
from http.client import HTTPException, HTTPSConnection

from tests.support.serving import make_review, post
from webhook.server.app import VALIDATE_CLAIMS


class Caller(threading.Thread):
    """Posts reviews one after another on a kept connection, as the API server does: never twice the same one."""

    def __init__(self, port: int, context: ssl.SSLContext, pause: float) -> None:
        super().__init__()
        self._port = port
        self._context = context
        self._pause = pause
        self._stopped = threading.Event()
        self.answered = 0
        self.lost: list[str] = []

    def run(self) -> None:
        connection = self._connect()
        while not self._stopped.wait(self._pause):
            try:
                answer = post(connection, VALIDATE_CLAIMS, make_review())
            except (OSError, HTTPException) as error:
                self.lost.append(repr(error))
                connection.close()
                connection = self._connect()
                continue
            if answer.status != 200:
                self.lost.append(str(answer.status))
            self.answered += 1
            if answer.headers.get("connection") == "close":
                connection.close()
                connection = self._connect()
        connection.close()

    def end(self) -> None:
        self._stopped.set()
        self.join(20)

    def _connect(self) -> HTTPSConnection:
        return HTTPSConnection("127.0.0.1", self._port, context=self._context, timeout=20)
