"""class-drops-extended-resource: no DeviceClass serves an extended resource any more after a change (KEP-5004)."""

from collections.abc import Iterator
from itertools import islice

from webhook.core.cluster import ClusterView
from webhook.core.devices import DeviceClass
from webhook.core.fieldpath import ROOT
from webhook.core.finding import Edit, Finding, Fix, Severity
from webhook.core.versions import EXTENDED_RESOURCE
from webhook.inventory.case import Case

NAME = "class-drops-extended-resource"

_MOST_NAMED = 3


def check(case: Case) -> Iterator[Finding]:
    subject, before = case.subject, case.before
    if not isinstance(subject, DeviceClass) or before is None or not before.extended_resource_name:
        return
    name = before.extended_resource_name
    if subject.extended_resource_name == name or case.view.server.gate(EXTENDED_RESOURCE) is False:
        return
    others = (found for found in case.view.device_classes.values() if found.name != subject.name)
    if any(found.extended_resource_name == name for found in others):
        return
    path = ROOT.child("spec", "extendedResourceName")
    yield Finding(
        rule=NAME,
        severity=Severity.WARN,
        path=path,
        message=f"no DeviceClass serves `{name}` any more",
        why="pods that name it in their limits wait for a device plugin then" + _limited(case.view, name),
        fixes=(Fix(f"keep `extendedResourceName: {name}` until nothing names it", (Edit(path, name),)),),
    )


def _limited(view: ClusterView, name: str) -> str:
    """Return which quotas count the name, and will count no claim of the class any more."""
    key = f"requests.{name}"
    found = sorted(f"'{quota.namespace}/{quota.name}'" for quota in view.resource_quotas.values() if key in quota.hard)
    if not found:
        return ""
    more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
    return (
        f"; ResourceQuota {', '.join(islice(found, _MOST_NAMED))}{more} counts `{key}`, and the class's claims no more"
    )
