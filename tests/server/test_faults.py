"""Faults are answered with a status outside 2xx, so that failurePolicy decides; never with `allowed: false`."""

from pathlib import Path

from tests.support.serving import allow, serving
from webhook.server.app import VALIDATE_CLAIMS


def test_a_review_is_answered(tmp_path: Path) -> None:
    with serving({VALIDATE_CLAIMS: allow}, tmp_path) as server:
        answer = server.post()
        assert answer.status == 200
        assert answer.response == {"uid": "0b4cd2c8", "allowed": True}
        assert server.probe("/livez").status == 200
        assert server.probe("/readyz?verbose").body == b"[+] serving\n[+] certificate\nok\n"
        assert b"drawbridge_admission_requests_total" in server.probe("/metrics").body
