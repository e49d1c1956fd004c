"""Replicas that are added get their part of the calls, though callers keep their connections."""

from contextlib import ExitStack
from pathlib import Path

from tests.controlplane.forwarder import TcpForwarder
from tests.controlplane.waiting import wait_for
from tests.support.calling import Caller
from tests.support.serving import allow, serving
from webhook.server.app import VALIDATE_CLAIMS
from webhook.server.limits import Limits

CALLERS = 6
SOON = Limits(connection_age_seconds=0.2)
PART = 100
"""Reviews: so many that the connections of each caller have come round several times."""


def test_fm_24_new_replicas_get_their_part_when_connections_have_aged(tmp_path: Path) -> None:
    """Nobody opens a second connection while the first one serves, so replicas end old ones: after five minutes, here
    after a fifth of a second.
    """

    with ExitStack() as stack:
        servers = [stack.enter_context(serving({VALIDATE_CLAIMS: allow}, tmp_path, limits=SOON)) for _ in range(3)]

        def answered() -> list[float]:
            name = "drawbridge_admission_duration_seconds_count"
            return [server.metric(name, endpoint=VALIDATE_CLAIMS) for server in servers]

        service = stack.enter_context(TcpForwarder(servers[0].port))
        callers = [Caller(service.port, servers[0].trust(), 0.01) for _ in range(CALLERS)]
        for caller in callers:
            stack.callback(caller.end)
            caller.start()
        wait_for("calls", lambda: answered()[0] >= PART)
        assert answered()[1:] == [0, 0]
        service.backends = tuple(server.port for server in servers)
        wait_for("the first calls of each", lambda: min(answered()) > 0)
        before = answered()

        def since() -> list[float]:
            return [now - then for now, then in zip(answered(), before, strict=True)]

        parts = wait_for("a part for each", lambda: since() if min(since()) >= PART else None)
        for caller in callers:
            caller.end()
    assert [caller.lost for caller in callers] == [[]] * CALLERS
    assert min(parts) > 0.3 * max(parts)
