"""One look at a live cluster, for commands."""

import asyncio
import sys

from webhook.bootstrap.sources import current_view
from webhook.core.cluster import ClusterView
from webhook.kube.access import load_access
from webhook.kube.kinds import KINDS
from webhook.kube.view import Told
from webhook.server.log import LineSink, make_log
from webhook.settings import Settings


def view_of_live(settings: Settings) -> ClusterView:
    """Return all that Drawbridge reads of the cluster; ClusterUnavailableError where it cannot be had."""
    access = load_access(settings.kubeconfig, settings.context)
    told = Told(settings.kubernetes_version, settings.feature_gates, drivers=settings.drivers)
    sink = LineSink(sys.stderr)
    try:
        return asyncio.run(current_view(access, told, make_log(sink), KINDS))
    finally:
        sink.close()
