"""Replicas that are added get their part of the calls, though callers keep their connections."""

import time
from contextlib import ExitStack
from pathlib import Path

from tests.controlplane.forwarder import TcpForwarder
from tests.support.calling import Caller
from tests.support.serving import Served, allow, serving
from webhook.server.app import VALIDATE_CLAIMS
from webhook.server.limits import Limits

CALLERS = 6
SOON = Limits(connection_age_seconds=0.2)


def test_fm_24_new_replicas_get_their_part_when_connections_have_aged(tmp_path: Path) -> None:
    """Nobody opens a second connection while the first one serves, so replicas end old ones: after five minutes, here
    after a fifth of a second.
    """

    def answered(server: Served) -> float:
        return server.metric("drawbridge_admission_duration_seconds_count", endpoint=VALIDATE_CLAIMS)

    with ExitStack() as stack:
        servers = [stack.enter_context(serving({VALIDATE_CLAIMS: allow}, tmp_path, limits=SOON)) for _ in range(3)]
        service = stack.enter_context(TcpForwarder(servers[0].port))
        callers = [Caller(service.port, servers[0].trust(), 0.01) for _ in range(CALLERS)]
        for caller in callers:
            stack.callback(caller.end)
            caller.start()
        time.sleep(0.3)
        assert answered(servers[0]) > 0
        service.backends = tuple(server.port for server in servers)
        assert [answered(server) for server in servers[1:]] == [0, 0]
        time.sleep(1)
        before = [answered(server) for server in servers]
        time.sleep(2)
        since = [answered(server) - number for server, number in zip(servers, before, strict=True)]
        for caller in callers:
            caller.end()
    assert [caller.lost for caller in callers] == [[]] * CALLERS
    assert min(since) > 0.6 * max(since)
