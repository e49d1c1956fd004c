"""Whether there is an installation at all where doctor looks: what mends one would make a second elsewhere."""

import shlex

from webhook.core.raw import RawObject
from webhook.doctor.diagnosis import Diagnosis, Fix, Severity
from webhook.doctor.facts import Facts, Place


def absence(facts: Facts) -> Diagnosis | None:
    """Return that there is none, where neither its Service nor any of its accounts is; else None."""
    if facts.service is not None or any(account is not None for account in facts.accounts.values()):
        return None
    place = facts.place
    told = f"there is no Drawbridge under the name '{place.name}' in namespace '{place.namespace}'"
    there = [found for found in facts.configurations.values() if isinstance(found, dict)]
    called = next((service for found in there for service in _called(found)), None)
    if called is not None and called != (place.name, place.namespace):
        told = f"{told}: its webhooks call '{called[0]}.{called[1]}.svc'"
        return Diagnosis("installation-missing", Severity.ERROR, told, None, _look(*called))
    if there:
        told = f"{told}, and its webhook configurations are left"
        return Diagnosis("installation-missing", Severity.ERROR, told, None, _free(place))
    listed = "kubectl get services -A -l app.kubernetes.io/name=drawbridge"
    fix = Fix("look where it is (`--own-namespace`, `--installation-name`), or install it", listed)
    return Diagnosis("installation-missing", Severity.ERROR, told, None, fix)


def _called(configuration: RawObject) -> list[tuple[str, str]]:
    """Return name and namespace of each Service that webhooks call."""
    clients = [webhook.get("clientConfig") or {} for webhook in configuration.get("webhooks") or ()]
    services = [client["service"] for client in clients if client.get("service")]
    return [(str(service["name"]), str(service["namespace"])) for service in services]


def _look(name: str, namespace: str) -> Fix:
    where = shlex.join(["--own-namespace", namespace, "--installation-name", name])
    return Fix("look there", f'drawbridge doctor --kubeconfig "$KUBECONFIG" {where}')


def _free(place: Place) -> Fix:
    """Return how an API server stops to ask nobody."""
    command = f'drawbridge uninstall --kubeconfig "$KUBECONFIG" --installation-name {place.name}'
    return Fix("take them away, because what they guard waits for nobody; or install it again", command)
