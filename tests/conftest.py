"""Options of the test run."""

import pytest
from hypothesis import HealthCheck, settings

# How long generating or one example takes says something of the machine, which may be busy, and nothing of the law.
settings.register_profile("drawbridge", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("drawbridge")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="Write what is said now into the golden texts.")
