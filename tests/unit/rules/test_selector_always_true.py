"""What accepts every device is said, and refused to nobody."""

import pytest

from tests.support.findings import DOMAIN, found_by, mended_by
from webhook.core.finding import Severity
from webhook.rules.selector_always_true import check


@pytest.mark.parametrize(
    "text",
    [
        "true",
        "1 < 2",
        "device.driver.startsWith('')",
        f"has({DOMAIN}.type) || !has({DOMAIN}.type)",
        "device.driver != 'a' || device.driver != 'b'",
        "device.driver == 'a' ? true : device.driver != 'a'",
        f"!has({DOMAIN}.type) || {DOMAIN}.type != 'gpu' || {DOMAIN}.type == 'gpu'",
    ],
)
def test_what_holds_for_every_device_is_told(text: str) -> None:
    assert [one.severity for one in found_by(check, text)] == [Severity.INFO]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(f"{DOMAIN}.type != 'a' || {DOMAIN}.type != 'b'", id="an error where it is absent"),
        pytest.param(f"has({DOMAIN}.type)", id="absent on some device"),
        pytest.param("device.driver == 'gpu.example.com'", id="a driver guard"),
        pytest.param(f"{DOMAIN}.index < 3 || {DOMAIN}.index > 2", id="an error where it is no number"),
        pytest.param(f"{DOMAIN}.all(name, true) || true == false", id="something that is not understood"),
    ],
)
def test_what_excludes_some_device_is_silent(text: str) -> None:
    assert found_by(check, text) == ()


def test_two_values_to_exclude_are_joined_by_and() -> None:
    assert mended_by(check, "device.driver != 'a' || device.driver != 'b'") == (
        "device.driver != 'a' && device.driver != 'b'"
    )
