"""What pods wait for once devices are chosen for them, and devices that are reported to be broken.

Sources: KEP-5007 (binding conditions), KEP-4817 (`status.devices` of a claim).
"""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from webhook.core.claims import AllocatedDevice, Claim
from webhook.core.cluster import ClusterView
from webhook.core.device import NO_BINDING, Binding
from webhook.core.device_status import Condition
from webhook.core.versions import BINDING_CONDITIONS
from webhook.inventory.inventory import Inventory
from webhook.inventory.outcomes import Mask, numbers

_HEALTH: Final = frozenset({"Healthy", "Ready"})
"""Condition types by which drivers tell that a device can be used."""
_MOST_TOLD: Final = 5


def awaited(view: ClusterView, inventory: Inventory, matching: Mask) -> Iterator[str]:
    """Yield what a pod will wait for, by how many of the matching devices it does so.

    A server that is known to drop binding conditions waits for nothing.
    """
    if view.server.gate(BINDING_CONDITIONS) is False:
        return
    bindings = Counter(inventory.devices[number].binding for number in numbers(matching))
    whole = sum(bindings.values())
    for binding, count in bindings.most_common(_MOST_TOLD):
        if binding.conditions:
            undone = f", and is scheduled anew once {_any_of(binding.failure_conditions)} is"
            yield (
                f"{count} of {whole} matches are not ready at once: a pod waits until {_all_of(binding.conditions)} "
                f"true of its device{undone if binding.failure_conditions else ''}"
            )


def reported(view: ClusterView) -> Iterator[str]:
    """Yield of which devices of claims it is reported that pods wait for them, or that they are broken."""
    for (namespace, name), claim in sorted(view.claims.items()):
        if claim.device_statuses or any(result.binding != NO_BINDING for result in claim.allocated or ()):
            for result in claim.allocated or ():
                yield from (f"claim '{namespace}/{name}': {told}" for told in _of_device(claim, result))


def _of_device(claim: Claim, result: AllocatedDevice) -> Iterator[str]:
    conditions = _conditions(claim, result)
    device = f"'{result.driver}/{result.pool}/{result.device}'"
    failed = [one for one in result.binding.failure_conditions if _status(conditions, one) == "True"]
    missing = [one for one in result.binding.conditions if _status(conditions, one) != "True"]
    if failed:
        yield f"device {device} has failed: `{failed[0]}` is true{_why(conditions[failed[0]])}"
    elif missing:
        yield f"its pods wait for device {device}: {_all_of(missing)} not true yet"
    for type_ in sorted(_HEALTH & conditions.keys() - {*missing}):
        if conditions[type_].status == "False":
            yield f"device {device} is reported broken: `{type_}` is false{_why(conditions[type_])}"


def _conditions(claim: Claim, result: AllocatedDevice) -> Mapping[str, Condition]:
    whose = (result.driver, result.pool, result.device)
    statuses = (one for one in claim.device_statuses if (one.driver, one.pool, one.device) == whose)
    return {condition.type: condition for status in statuses for condition in status.conditions}


def _status(conditions: Mapping[str, Condition], type_: str) -> str:
    return conditions[type_].status if type_ in conditions else ""


def _why(condition: Condition) -> str:
    return f" ({condition.message})" if condition.message else ""


def _all_of(types: Collection[str]) -> str:
    return f"{' and '.join(f'`{one}`' for one in types)} {'is' if len(types) == 1 else 'are'}"


def _any_of(types: Collection[str]) -> str:
    return " or ".join(f"`{one}`" for one in types)


def written_binding(binding: Binding) -> Iterator[str]:
    """Yield the fields of a device that say what is waited for, as it publishes them."""
    if binding.conditions:
        yield f"bindingConditions=[{', '.join(binding.conditions)}]"
    if binding.failure_conditions:
        yield f"bindingFailureConditions=[{', '.join(binding.failure_conditions)}]"
    if binding.to_node:
        yield "bindsToNode=true"
