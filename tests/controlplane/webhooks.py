"""The webhook configurations of deploy/ on the control plane: `url` in place of `service`, for a test's namespaces."""

import base64
import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.controlplane.api import Api, ApiError, Json
from tests.controlplane.waiting import wait_for

GROUP = "admissionregistration.k8s.io/v1"
RESOURCES = {
    "MutatingWebhookConfiguration": f"{GROUP}/mutatingwebhookconfigurations",
    "ValidatingWebhookConfiguration": f"{GROUP}/validatingwebhookconfigurations",
}
NAMESPACE_NAME = "kubernetes.io/metadata.name"


def point_at(manifest: Json, url: str, ca_bundle: bytes, *namespaces: str) -> Json:
    """Return a webhook configuration that calls `url` (its paths kept), only for the namespaces, if some are named.

    Its name gets the first as a suffix, so that tests do not meet. Cluster-scoped objects know no namespace: an entry
    for them stays as wide as it is.
    """
    changed = copy.deepcopy(manifest)
    changed["metadata"]["name"] += f"-{namespaces[0]}" if namespaces else ""
    for webhook in changed["webhooks"]:
        path = webhook["clientConfig"]["service"].get("path", "")
        webhook["clientConfig"] = {"url": url + path, "caBundle": base64.b64encode(ca_bundle).decode()}
        if namespaces:
            only = {"key": NAMESPACE_NAME, "operator": "In", "values": list(namespaces)}
            webhook.setdefault("namespaceSelector", {}).setdefault("matchExpressions", []).append(only)
    return changed


@contextmanager
def installed_webhooks(
    api: Api, manifests: Iterable[Json], url: str, ca_file: Path, *namespaces: str
) -> Iterator[list[Json]]:
    """The webhook configurations among the manifests, installed for the length of a with block.

    They take effect within about a second: wait with `wait_until_effective`.
    """
    with ExitStack() as exits:
        wanted = [manifest for manifest in manifests if manifest["kind"] in RESOURCES]
        pointed = [point_at(manifest, url, ca_file.read_bytes(), *namespaces) for manifest in wanted]
        yield [exits.enter_context(api.temporarily(RESOURCES[manifest["kind"]], manifest)) for manifest in pointed]


def wait_until_effective(
    api: Api, resource: str, manifest: Json, is_seen: Callable[[Json | ApiError], bool], seconds: float = 15
) -> None:
    """Create the object in a dry run until its outcome, the object or the refusal, shows that the webhook was asked."""

    def asked() -> bool:
        try:
            return is_seen(api.create(resource, manifest, dry_run=True))
        except ApiError as error:
            return is_seen(error)

    wait_for("effect of the webhook", asked, seconds)
