"""The claims by which doctor sees whether API servers ask us."""

import pytest

from tests.support.build import make_view
from webhook.core.claims import parse_claim
from webhook.core.finding import Severity
from webhook.core.versions import SUPPORTED, ServerTruth
from webhook.doctor.facts import MUTATING, VALIDATING
from webhook.doctor.reach import refusable
from webhook.inventory.case import Case
from webhook.rules import COMPILING, SCHEMA, Check, field_dropped_by_server, judged


@pytest.mark.parametrize("version", SUPPORTED)
@pytest.mark.parametrize(("plural", "refusing"), [(MUTATING, COMPILING), (VALIDATING, SCHEMA)])
def test_what_is_tried_is_refused_whatever_the_version_of_the_api_server(
    plural: str, refusing: tuple[Check, ...], version: str
) -> None:
    raw = refusable(plural, "default")
    case = Case(parse_claim(raw), "default", make_view(server=ServerTruth(version)), raw=raw)
    assert not list(field_dropped_by_server.check(case))
    assert any(finding.severity is Severity.DENY for finding in judged(case, refusing))
    if plural == VALIDATING:
        assert not judged(case, COMPILING)
