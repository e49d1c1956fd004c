"""What was meant by texts that are no quantities."""

import pytest

from webhook.core.quantity_slips import quantities_meant


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("10GiB", ("10Gi",)),
        ("10 gib", ("10Gi",)),
        ("80GB", ("80G", "80Gi")),
        ("80gb", ("80G", "80Gi")),
        ("1,024mib", ("1024Mi",)),
        ("2 gigabytes", ("2G",)),
        ("4096 bytes", ("4096",)),
        ("much", ()),
        ("10 parsec", ()),
    ],
)
def test_a_unit_as_people_write_it_is_understood(text: str, meant: tuple[str, ...]) -> None:
    assert tuple(quantities_meant(text)) == meant
