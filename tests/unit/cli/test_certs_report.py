"""What `drawbridge certs` says of an installation in a cluster."""

from datetime import UTC, datetime, timedelta

import pytest

from certs.authority import Authority, issued, staged
from certs.rotation import Step
from webhook.cli.certs_report import bundle_table, held_certificates, held_problems
from webhook.kube.installation import Held, Installation

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
HERE = Installation("drawbridge-system")
MUTATING, VALIDATING = "mutatingwebhookconfigurations/drawbridge", "validatingwebhookconfigurations/drawbridge"


def numbers(length: int) -> bytes:
    return bytes(range(1, length + 1))


@pytest.fixture(scope="module")
def rotating() -> Held:
    """Between the stages: the old CA has signed what is served, both are trusted by one configuration."""
    first = staged(Step.REPLACE_CA, Authority(), NOW, numbers, HERE.domains)
    serving = issued(first, HERE.hosts, NOW, numbers)
    following = staged(Step.MAKE_NEXT_CA, first, NOW, numbers, HERE.domains)
    both = staged(Step.SIGN_WITH_NEXT_CA, following, NOW, numbers, HERE.domains)
    return Held(both, serving, {MUTATING: (both.bundle(), b""), VALIDATING: (both.bundle(),)})


def test_each_ca_has_its_name(rotating: Held) -> None:
    assert [what for what, _ in held_certificates(rotating)] == ["old CA", "CA that signs", "serving certificate"]
    lines = [line.split(maxsplit=2) for line in bundle_table(rotating)]
    assert lines == [
        ["CONFIGURATION", "WEBHOOKS", "TRUST"],
        [MUTATING, "1", "CA that signs, old CA"],
        [MUTATING, "1", "nothing"],
        [VALIDATING, "1", "CA that signs, old CA"],
    ]


def test_what_the_api_server_would_refuse_is_named(rotating: Held) -> None:
    assert list(held_problems(rotating, HERE, NOW)) == [
        f"{MUTATING}: the `caBundle` of 1 of 2 webhooks does not verify it"
    ]
    later = list(held_problems(rotating, HERE, NOW + timedelta(days=31)))
    assert later[0].startswith("the serving certificate is valid from 2026-11-21 11:00:00+00:00 until 2026-12-21")
    elsewhere = list(held_problems(rotating, Installation("gates"), NOW))
    assert elsewhere[0].startswith("the serving certificate does not hold the names drawbridge.gates.svc")


def test_a_secret_that_is_not_filled_yet_is_named() -> None:
    empty = Held(Authority(), {}, {})
    assert held_certificates(empty) == []
    assert len(list(held_problems(empty, HERE, NOW))) == 1
