"""What API servers would say of what is served."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.examined import CA, CA_LASTS, HERE, PEM, bundles, healthy, lasting, names, presented, wrong
from webhook.doctor.diagnosis import Severity
from webhook.doctor.facts import MUTATING, VALIDATING, Bundle, Facts, Keeper, Unseen


def trusting(facts: Facts | None = None, **changes: Any) -> Facts:
    facts = facts or healthy()
    return replace(facts, trust=replace(facts.trust, **changes))


@pytest.mark.parametrize(
    ("begun", "left", "expected"),
    [
        (20, 10, []),
        (22, 8, []),
        (23, 7, ["certificate-expiring"]),
        (30, 0, ["certificate-expired"]),
        (-1, 30, ["certificate-not-yet"]),
    ],
)
def test_a_certificate_is_to_have_a_quarter_of_its_life_left(begun: int, left: int, expected: list[str]) -> None:
    assert names(trusting(presented=(presented(lasting(begun, left)),))) == expected


def test_a_ca_that_nobody_renewed_is_told_with_how() -> None:
    ending = Bundle(VALIDATING, 0, PEM, authorities={CA: lasting(700, 30)})
    [found] = wrong(trusting(bundles=(ending,)))
    assert (found.name, found.severity) == ("certificate-expiring", Severity.WARNING)
    assert "30 of 730 days are left" in found.message
    assert found.fix is not None
    assert found.fix.command.startswith("drawbridge certs rotate --ca --kubeconfig ")


def test_an_old_ca_that_has_signed_nothing_that_is_served_may_have_ended() -> None:
    both = Bundle(VALIDATING, 0, PEM, authorities={CA: CA_LASTS, "old": lasting(800, -1)})
    assert names(trusting(bundles=(both,))) == []


@pytest.mark.parametrize(
    ("keeper", "left", "expected"),
    [
        (Keeper.PROVIDED, 400, []),
        (Keeper.CERT_MANAGER, 400, []),
        (Keeper.PROVIDED, 29, ["certificate-expiring"]),
        (Keeper.OURS, 400, ["certificate-expiring"]),
    ],
)
def test_a_ca_of_others_may_be_near_its_end_for_years(keeper: Keeper, left: int, expected: list[str]) -> None:
    ending = Bundle(VALIDATING, 0, PEM, authorities={CA: lasting(3250, left)})
    assert names(trusting(healthy(replace(HERE, keeper=keeper)), bundles=(ending,))) == expected


@pytest.mark.parametrize("issuers", [(), ("new", "old")], ids=["over a chain", "renewed with its key"])
@pytest.mark.parametrize(("left", "expected"), [(400, []), (-2, ["certificate-expired"])])
def test_of_several_cas_that_vouch_the_last_to_end_counts(
    left: int, expected: list[str], issuers: tuple[str, ...]
) -> None:
    both = Bundle(VALIDATING, 0, PEM, authorities={"new": lasting(365, left), "old": lasting(800, -10)})
    served = presented(lasting(1, 29), issuers=frozenset(issuers))
    assert names(trusting(presented=(served,), bundles=(both,))) == expected


@pytest.mark.parametrize(
    ("keeper", "begin"),
    [
        (Keeper.OURS, "drawbridge certs rotate --kubeconfig"),
        (Keeper.CERT_MANAGER, "cmctl renew drawbridge -n drawbridge-system"),
        (Keeper.PROVIDED, "deploy/certificates.sh FOLDER"),
    ],
)
def test_who_made_a_certificate_makes_the_next(keeper: Keeper, begin: str) -> None:
    facts = healthy(replace(HERE, keeper=keeper))
    [found] = wrong(trusting(facts, presented=(presented(lasting(31, -1)),)))
    assert found.fix is not None
    assert found.fix.command.startswith(begin)


def test_the_script_for_provided_certificates_is_for_the_installation_as_shipped() -> None:
    facts = healthy(replace(HERE, namespace="gpu", keeper=Keeper.PROVIDED))
    hosts = facts.place.hosts
    [found] = wrong(trusting(facts, presented=(presented(lasting(31, -1), names=hosts),)))
    assert found.fix is not None
    assert found.fix.command == ""


def test_a_bundle_that_is_none_is_told_once_for_a_configuration() -> None:
    bad = (Bundle(MUTATING, 0, b"", "it is empty"), Bundle(MUTATING, 2, b"", "it is empty"))
    [found] = wrong(trusting(bundles=(bad[0], *bundles(2, MUTATING)[1:], bad[1], *bundles(5))))
    assert (found.name, found.severity) == ("bundle-unreadable", Severity.ERROR)
    assert "the `caBundle` of 2 of 3 webhooks cannot be used: it is empty" in found.message
    assert found.fix is not None
    assert "/webhooks/0/clientConfig" in found.fix.command
    assert "/webhooks/1/clientConfig" not in found.fix.command
    assert "/webhooks/2/clientConfig" in found.fix.command
    assert 'test -n "$ca" && kubectl patch' in found.fix.command


def test_a_bundle_that_does_not_verify_what_is_served() -> None:
    other = presented(lasting(1, 29), issuers=frozenset(), refused=frozenset({PEM}))
    assert names(trusting(presented=(other,))) == ["bundle-mismatch", "bundle-mismatch"]


def test_one_replica_of_two_that_serves_what_nobody_trusts_is_found() -> None:
    good = presented(lasting(1, 29))
    other = presented(lasting(1, 29), "10.0.0.2:8443", issuers=frozenset(), refused=frozenset({PEM}))
    found = wrong(trusting(presented=(good, other)))
    assert {one.name for one in found} == {"bundle-mismatch"}
    assert all("10.0.0.2:8443" in one.message for one in found)


def test_a_certificate_for_another_name() -> None:
    [found] = wrong(trusting(presented=(presented(lasting(1, 29), names=("other",)),)))
    assert found.name == "certificate-names"
    assert "'drawbridge.drawbridge-system.svc'" in found.message


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("*.drawbridge-system.svc", []),
        ("*.svc", ["certificate-names"]),
        ("DRAWBRIDGE.drawbridge-system.svc", []),
    ],
)
def test_a_certificate_may_be_for_all_services_of_the_namespace(name: str, expected: list[str]) -> None:
    assert names(trusting(presented=(presented(lasting(1, 29), names=(name,)),))) == expected


def test_without_an_endpoint_nothing_else_is_said_of_calls() -> None:
    facts = trusting(ready=())
    failed = tuple(replace(probe, code=201, message="") for probe in facts.probes)
    assert names(replace(facts, probes=failed)) == ["no-endpoints"]


def test_where_no_endpoint_answers_from_here_the_secret_is_looked_at() -> None:
    ready = ("10.0.0.1:8443",)
    facts = trusting(ready=ready, silent=ready, presented=(), stored=presented(lasting(31, -1), "the Secret 'x'"))
    unseen, expired = wrong(facts)
    assert (unseen.name, unseen.severity) == ("served-unchecked", Severity.INFO)
    assert expired.name == "certificate-expired"
    assert "the Secret 'x'" in expired.message


def test_one_endpoint_that_is_silent_where_others_answer() -> None:
    [found] = wrong(trusting(ready=("10.0.0.1:8443", "10.0.0.2:8443"), silent=("10.0.0.2:8443",)))
    assert found.name == "endpoint-silent"
    assert found.message.startswith("1 of 2 endpoints that count as ready, '10.0.0.2:8443' first, do not answer")


def test_endpoints_that_may_not_be_read() -> None:
    assert names(trusting(ready=Unseen("forbidden"))) == ["endpoints-unchecked"]
