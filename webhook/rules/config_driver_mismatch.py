"""config-driver-mismatch: a configuration is for a driver, or a kind of device, that its requests cannot get."""

from collections.abc import Iterator
from dataclasses import replace

from webhook.core.finding import Edit, Finding, Fix, Severity
from webhook.inventory.case import Case
from webhook.inventory.config_target import mismatch
from webhook.inventory.configuration import takes

NAME = "config-driver-mismatch"


def check(case: Case) -> Iterator[Finding]:
    for config in case.subject.config:
        found = mismatch(case, config)
        if found is None:
            continue
        path = config.path.child("opaque", "driver")
        takers = (name for name in found.meant if takes(case, replace(config, driver=name)))
        fixes = tuple(Fix(f"did you mean `{name}`?", edits=(Edit(path, name),)) for name in takers)
        yield Finding(
            rule=NAME,
            severity=Severity.WARN,
            path=path,
            message=found.message,
            why=found.why,
            fixes=fixes or (Fix(found.advice),),
        )
