"""legacy-left-alone, legacy-report, legacy-denied: what `/mutate/pods` will say to the pods of a manifest."""

from collections.abc import Iterator

from webhook.core.cluster import ClusterView
from webhook.core.finding import Finding
from webhook.core.pods import pod_template
from webhook.core.raw import RawObject
from webhook.rewrite.decide import judged
from webhook.rewrite.rewriting import survey


def findings(raw: RawObject, namespace: str, view: ClusterView) -> Iterator[Finding]:
    """Yield what is said of a pod, or of the pods that a workload makes; nothing for any other object.

    Paths are those of the object itself. Mappings are those of the view.
    """
    found = pod_template(raw)
    if found is None:
        return
    pod, at = found
    asked = survey(pod, namespace, view, at=at)
    if asked is not None:
        yield from judged(asked, view)[0]
