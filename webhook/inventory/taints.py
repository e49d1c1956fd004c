"""Which taints keep a device from a request (KEP-5055; resource.k8s.io types, DeviceTaint and DeviceToleration)."""

from collections.abc import Iterable

from webhook.core.claims import Alternative, Toleration
from webhook.core.device import Device, Taint
from webhook.core.suggest import explains
from webhook.core.versions import DEVICE_TAINTS
from webhook.inventory.case import Case

_HINDERING = ("NoSchedule", "NoExecute")


def are_judged(case: Case) -> bool:
    """Return whether the scheduler heeds taints, as far as is known."""
    return case.view.server.gate(DEVICE_TAINTS) is not False


def written(taint: Taint) -> str:
    """Return the taint as kubectl writes one of a node: `key=value:effect`."""
    return f"{taint.key}={taint.value}:{taint.effect}" if taint.value else f"{taint.key}:{taint.effect}"


def tolerates(toleration: Toleration, taint: Taint) -> bool:
    """Return whether the toleration speaks of the taint; without a key it speaks of every one, if it `Exists`."""
    if toleration.effect and toleration.effect != taint.effect:
        return False
    if toleration.key and toleration.key != taint.key:
        return False
    return toleration.operator == "Exists" or (toleration.operator == "Equal" and toleration.value == taint.value)


def hindering(device: Device, alternative: Alternative) -> tuple[Taint, ...]:
    """Return the taints of the device that keep it from the request."""
    return tuple(
        taint
        for taint in device.taints
        if taint.effect in _HINDERING and not any(tolerates(entry, taint) for entry in alternative.tolerations)
    )


def meant(toleration: Toleration, taints: Iterable[Taint]) -> Taint | None:
    """Return the taint that a toleration misses by a slip of the pen, or by its value or effect alone."""
    for taint in sorted(taints, key=written):
        if toleration.key == taint.key or (toleration.key and explains(taint.key, toleration.key)):
            return taint
    return None
