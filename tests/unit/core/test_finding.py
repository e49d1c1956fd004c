"""What the second CEL engine does to a finding."""

import pytest

from webhook.core.fieldpath import FieldPath
from webhook.core.finding import Finding, Severity


@pytest.mark.parametrize(
    ("severity", "opposes", "settled"),
    [
        (Severity.DENY, True, (Severity.WARN, True)),
        (Severity.DENY, False, (Severity.DENY, False)),
        (Severity.WARN, True, (Severity.WARN, False)),
    ],
)
def test_a_denial_that_the_second_engine_opposes_is_a_warning(
    severity: Severity, opposes: bool, settled: tuple[Severity, bool]
) -> None:
    finding = Finding("selector-may-fail", severity, FieldPath(("spec",)), "fails", opposed=lambda: opposes).settled()
    assert (finding.severity, finding.disputed) == settled


def test_the_second_engine_is_asked_before_denials_alone() -> None:
    def asked() -> bool:
        raise AssertionError

    Finding("selector-may-fail", Severity.WARN, FieldPath(("spec",)), "may fail", opposed=asked).settled()
