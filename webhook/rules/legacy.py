"""legacy-left-alone, legacy-report, legacy-denied: what `/mutate/pods` will say to the pods of a manifest."""

from webhook.core.cluster import ClusterView
from webhook.core.finding import Finding
from webhook.core.mappings import MappingMode
from webhook.core.pods import pod_template
from webhook.core.raw import RawObject
from webhook.rewrite.decide import judged
from webhook.rewrite.rewriting import Rewritten, survey


def outlook(raw: RawObject, namespace: str, view: ClusterView) -> tuple[tuple[Finding, ...], Rewritten | None]:
    """Return what is said of a pod, or of the pods that a workload makes, and how they will be rewritten, if at all.

    Paths are those of the object itself. Mappings are those of the view.
    """
    found = pod_template(raw)
    asked = None if found is None else survey(found[0], namespace, view, at=found[1])
    if asked is None:
        return (), None
    findings, outcome = judged(asked, view)
    if asked.mode is MappingMode.REWRITE and isinstance(outcome, Rewritten):
        return findings, outcome
    return findings, None
