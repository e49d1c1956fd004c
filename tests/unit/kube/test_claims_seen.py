"""What the controller knows of claims follows from consistent lists and from watches, and from nothing else."""

import asyncio

from tests.support.build import make_claim
from webhook.core.claims import Claim
from webhook.kube.claims_seen import STORED_CLAIMS, ClaimsSeen


def stored(name: str) -> tuple[tuple[str, str], Claim]:
    return ("team-a", name), make_claim(name=name, uid=f"uid-{name}")


def seen_after(*lists: tuple[list[str], str]) -> ClaimsSeen:
    claims = ClaimsSeen(lambda: None)
    for names, version in lists:
        asyncio.run(claims.replaced(STORED_CLAIMS, dict(map(stored, names)), version))
    return claims


def test_what_a_later_list_lacks_is_gone() -> None:
    claims = seen_after((["one", "two"], "10"), (["two"], "12"))
    assert (claims.count(STORED_CLAIMS), claims.version) == (1, 12)
    assert claims.is_gone("uid-one")
    assert not claims.is_gone("uid-two")


def test_nothing_is_gone_because_the_server_does_not_serve_claims() -> None:
    claims = seen_after((["one"], "10"), ([], ""))
    assert (claims.count(STORED_CLAIMS), claims.version) == (1, 10)
    assert not claims.is_gone("uid-one")
