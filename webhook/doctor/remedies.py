"""What mends an installation as a whole: the commands of its pages, with the names of this one."""

import shlex
from collections.abc import Mapping
from dataclasses import replace

from webhook.doctor.diagnosis import Fix
from webhook.doctor.facts import Keeper, Place

_SHIPPED = ("drawbridge-system", "drawbridge")
_FOLDERS: Mapping[Keeper, str] = {
    Keeper.OURS: "deploy/kustomize/base",
    Keeper.CERT_MANAGER: "deploy/kustomize/overlays/cert-manager",
}
"""What of ours installs with certificates by that keeper; those that are provided need a kustomization of theirs."""


def reinstall(place: Place) -> Fix:
    """Return how the objects of an installation are applied again, as they were the first time.

    Under other names there is no command: ours would make a second installation beside it.
    """
    if place.release:
        chart = ["helm", "upgrade", place.release, "deploy/helm/drawbridge", "--namespace", place.namespace]
        return Fix("upgrade the release to what it is", shlex.join([*chart, "--reset-then-reuse-values"]))
    folder = _FOLDERS.get(place.keeper)
    if folder is None or (place.namespace, place.name) != _SHIPPED:
        return Fix("apply your kustomization of deploy/kustomize/base again")
    command = f"kubectl apply --server-side --force-conflicts -k {folder}"
    return Fix(f"apply {folder}, or your kustomization of it, again", command)


def apply_crds(place: Place) -> Fix:
    """Return how the CRDs are brought to what this version ships; nothing that is stored is lost."""
    by_hand = Fix("apply the CRDs", "kubectl apply --server-side --force-conflicts -f deploy/crds")
    if not place.release:
        return by_hand
    message = f"upgrade the release to what it is; with `crds.install: false`, `{by_hand.command}`"
    return replace(reinstall(place), message=message)


def restart(place: Place, program: str) -> Fix:
    """Return how a program is started anew; `program` is "", "-controller" or "-certs"."""
    where = f"deployment/{place.name}{program} -n {place.namespace}"
    see = f"see by `kubectl logs {where}`, or `kubectl describe {where}`, why it does not run"
    return Fix(f"{see}; start it anew", f"kubectl rollout restart {where}")


def renew(place: Place, *, ca: bool) -> Fix:
    """Return how a certificate is replaced, by whoever makes it."""
    match place.keeper:
        case Keeper.CERT_MANAGER:
            which = f"{place.name}-ca" if ca else place.name
            return Fix("let cert-manager issue it anew", f"cmctl renew {which} -n {place.namespace}")
        case Keeper.PROVIDED:
            ours = (place.namespace, place.name) == _SHIPPED
            return Fix("issue it anew, as you did before", "deploy/certificates.sh FOLDER" if ours else "")
        case Keeper.OURS:
            pass
    where = f"--own-namespace {place.namespace} --installation-name {place.name}"
    command = f'drawbridge certs rotate{" --ca" if ca else ""} --kubeconfig "$KUBECONFIG" {where}'
    return Fix(f"ask `{place.name}-certs`, which must be running, for another", command)
