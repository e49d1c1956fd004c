"""What one rule says of a selector, and what its first fix makes of it."""

from collections.abc import Callable, Iterator

from tests.support.build import claim_with, device, make_slice, make_view
from webhook.core.cluster import ClusterView
from webhook.core.finding import Finding
from webhook.inventory.case import Case
from webhook.rules import judged

Check = Callable[[Case], Iterator[Finding]]

DOMAIN = "device.attributes['gpu.example.com']"
CAPACITY = "device.capacity['gpu.example.com']"
VIEW = make_view(
    make_slice(
        device(
            "gpu-0",
            {"memory": "40Gi"},
            type="gpu",
            model="LATEST-GPU-MODEL",
            index=0,
            healthy=True,
            driverVersion={"version": "535.104.5"},
            cudaComputeCapability={"version": "8.0.0"},
        ),
        device(
            "gpu-1",
            {"memory": "80Gi"},
            type="gpu",
            model="OLDER-GPU-MODEL",
            index=8,
            healthy=False,
            driverVersion={"version": "550.54.14"},
            cudaComputeCapability={"version": "9.0.0"},
        ),
    )
)


def found_by(check: Check, *selectors: str, view: ClusterView = VIEW) -> tuple[Finding, ...]:
    """Return what the rule alone finds, fixes tried."""
    return judged(Case(claim_with(*selectors), "team-a", view), [check])


def mended_by(check: Check, selector: str, view: ClusterView = VIEW) -> str | None:
    """Return the selector as the one edit of its one finding makes it; None where there is no edit."""
    [finding] = found_by(check, selector, view=view)
    [value] = [edit.value for edit in finding.fixes[0].edits] or [None]
    assert value is None or isinstance(value, str)
    return value
