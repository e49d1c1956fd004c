"""config-gate-off: parameters for a driver need a feature gate of the driver that is off."""

from collections.abc import Iterator

from webhook.core.finding import Finding, Fix, Severity
from webhook.inventory.case import Case
from webhook.inventory.configuration import configurations, needed_gates
from webhook.inventory.knowledge import knowledge_of

NAME = "config-gate-off"


def check(case: Case) -> Iterator[Finding]:
    knowledge = knowledge_of(case.view)
    for found in configurations(case):
        driver = found.pack.driver
        for path, what, gate in needed_gates(found):
            if knowledge.gate(driver, gate) is False:
                yield Finding(
                    rule=NAME,
                    severity=Severity.WARN if driver in case.view.drivers else Severity.INFO,
                    path=path,
                    message=f"{what} needs the feature gate `{gate}` of driver '{driver}', which is off",
                    why="the driver refuses it when the pod is already on its node",
                    fixes=(
                        Fix(f"turn `{gate}` on in the driver, and state it: `--driver {driver}=VERSION,{gate}=true`"),
                    ),
                )
