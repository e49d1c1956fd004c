"""The claims by which doctor sees whether API servers ask us."""

from dataclasses import replace

import pytest

from tests.support.build import make_view
from tests.support.examined import healthy, wrong
from webhook.core.claims import parse_claim
from webhook.core.finding import Severity
from webhook.core.versions import SUPPORTED, ServerTruth
from webhook.doctor.facts import MUTATING, VALIDATING
from webhook.doctor.reach import refusable
from webhook.inventory.case import Case
from webhook.rules import COMPILING, SCHEMA, Check, field_dropped_by_server, judged


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize(("plural", "refusing", "rules"), [(MUTATING, COMPILING, 1), (VALIDATING, SCHEMA, 2)])
def test_what_is_tried_is_refused_whatever_the_version_of_the_api_server(
    plural: str, refusing: tuple[Check, ...], rules: int, version: str
) -> None:
    raw = refusable(plural, "default")
    case = Case(parse_claim(raw), "default", make_view(server=ServerTruth(version)), raw=raw)
    assert not list(field_dropped_by_server.check(case))
    assert len({finding.rule for finding in judged(case, refusing) if finding.severity is Severity.DENY}) == rules
    if plural == VALIDATING:
        assert not judged(case, COMPILING)


def test_what_must_be_open_is_the_port_of_the_endpoints() -> None:
    facts = healthy()
    failed = tuple(replace(probe, code=201, message="") for probe in facts.probes)
    trust = replace(facts.trust, ready=("10.0.0.1:10250", "10.0.0.2:10250"))
    for one in wrong(replace(facts, trust=trust, probes=failed)):
        assert one.fix is not None
        assert "port 10250)" in one.fix.message
