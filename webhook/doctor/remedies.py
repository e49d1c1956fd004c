"""What mends an installation as a whole: the commands of its pages, with the names of this one."""

import shlex

from webhook.doctor.diagnosis import Fix
from webhook.doctor.facts import Keeper, Place


def reinstall(place: Place) -> Fix:
    """Return how the objects of an installation are applied again, as they were the first time."""
    if place.release:
        chart = ["helm", "upgrade", place.release, "deploy/helm/drawbridge", "--namespace", place.namespace]
        return Fix("upgrade the release to what it is", shlex.join([*chart, "--reset-then-reuse-values"]))
    command = "kubectl apply --server-side --force-conflicts -k deploy/kustomize/base"
    return Fix("apply the base, or your kustomization of it, again", command)


def apply_crds(place: Place) -> Fix:
    """Return how the CRDs are brought to what this version ships; nothing that is stored is lost."""
    if place.release:
        return reinstall(place)
    return Fix("apply the CRDs", "kubectl apply --server-side --force-conflicts -f deploy/crds")


def restart(place: Place, program: str) -> Fix:
    """Return how a program is started anew; `program` is "", "-controller" or "-certs"."""
    name = f"deployment/{place.name}{program}"
    command = f"kubectl rollout restart {name} -n {place.namespace}"
    return Fix(f"see why it does not run by `kubectl describe {name} -n {place.namespace}`; start it anew", command)


def renew(place: Place, *, ca: bool) -> Fix:
    """Return how a certificate is replaced, by whoever makes it."""
    match place.keeper:
        case Keeper.CERT_MANAGER:
            which = f"{place.name}-ca" if ca else place.name
            return Fix("let cert-manager issue it anew", f"cmctl renew {which} -n {place.namespace}")
        case Keeper.PROVIDED:
            return Fix("issue it anew, as you did before", "deploy/certificates.sh FOLDER")
        case Keeper.OURS:
            pass
    where = f"--own-namespace {place.namespace} --installation-name {place.name}"
    command = f'drawbridge certs rotate{" --ca" if ca else ""} --kubeconfig "$KUBECONFIG" {where}'
    return Fix(f"ask `{place.name}-certs`, which must be running, for another", command)
