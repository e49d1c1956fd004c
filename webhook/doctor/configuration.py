"""Both webhook configurations against those that are shipped, and who has changed them."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from webhook.core.cluster import NAME_LABEL
from webhook.core.fieldpath import ROOT
from webhook.core.labels import parse_label_selector
from webhook.core.raw import RawObject, Reader
from webhook.doctor.diagnosis import Diagnosis, Fix, Severity, Subject, configuration_subject, patch_command, unchecked
from webhook.doctor.facts import CONFIGURATION_KINDS, Facts, Unseen
from webhook.doctor.remedies import reinstall

_FIELDS: Mapping[str, tuple[str, Severity]] = {
    "rules": ("webhook-rules", Severity.ERROR),
    "failurePolicy": ("webhook-failure-policy", Severity.WARNING),
    "timeoutSeconds": ("webhook-timeout", Severity.WARNING),
    "objectSelector": ("webhook-changed", Severity.WARNING),
    "matchConditions": ("webhook-changed", Severity.WARNING),
    "matchPolicy": ("webhook-changed", Severity.WARNING),
    "sideEffects": ("webhook-changed", Severity.WARNING),
    "reinvocationPolicy": ("webhook-changed", Severity.WARNING),
    "admissionReviewVersions": ("webhook-changed", Severity.WARNING),
}
_FAILS_OPEN = "while no replica answers, what it would refuse is let in"
_FAILS_CLOSED = "while no replica answers, nothing that it is asked about is let in"
_MOST_SHOWN = 60


def configuration(facts: Facts) -> Iterator[Diagnosis]:
    """Yield what is not as shipped."""
    subject = Subject("v1", "Service", facts.place.name, facts.place.namespace)
    if isinstance(facts.service, Unseen):
        yield unchecked("configuration", facts.service.why, f"{subject} cannot be read")
    elif facts.service is None:
        yield Diagnosis("service-missing", Severity.ERROR, f"there is no {subject}", subject, reinstall(facts.place))
    for plural in CONFIGURATION_KINDS:
        subject = configuration_subject(facts.place, plural)
        match facts.configurations[plural]:
            case Unseen(why):
                yield unchecked("configuration", why, f"{subject} cannot be read")
            case None:
                told = f"there is no {subject}: the API server asks nobody"
                yield Diagnosis("configuration-missing", Severity.ERROR, told, subject, reinstall(facts.place))
            case found:
                yield from _Compared(facts, plural, subject, found).diagnoses()


class _Compared:
    """One configuration beside the shipped one."""

    def __init__(self, facts: Facts, plural: str, subject: Subject, found: RawObject) -> None:
        self._facts = facts
        self._plural = plural
        self._subject = subject
        self._found = found
        self._wanted = {webhook["name"]: webhook for webhook in facts.shipped.configurations[plural]["webhooks"]}

    def diagnoses(self) -> Iterator[Diagnosis]:
        there = list(self._found.get("webhooks") or ())
        names = [webhook.get("name") for webhook in there]
        for name, wanted in self._wanted.items():
            if name not in names:
                chosen = bool(self._facts.place.release) or wanted["failurePolicy"] != "Fail"
                severity = Severity.WARNING if chosen else Severity.ERROR
                told = (
                    f"{self._subject} has no webhook '{name}': {wanted['clientConfig']['service']['path']} is not asked"
                )
                yield Diagnosis("webhook-missing", severity, told, self._subject, self._enable())
        for index, webhook in enumerate(there):
            wanted = self._wanted.get(names[index])
            if wanted is None:
                yield self._foreign(index, str(names[index]))
            else:
                yield from self._service(index, webhook, wanted)
                yield from self._namespaces(index, webhook, wanted)
                yield from self._fields(index, webhook, wanted)
        yield from self._left_out(there)

    def _enable(self) -> Fix:
        fix = reinstall(self._facts.place)
        if not self._facts.place.release:
            return fix
        return replace(fix, message="upgrade the release; if its values turn it off (`webhooks`), turn it on there")

    def _foreign(self, index: int, name: str) -> Diagnosis:
        told = f"{self._subject} has a webhook '{name}' that is none of ours"
        operations = [_test(index, name), {"op": "remove", "path": f"/webhooks/{index}"}]
        return self._found_of("webhook-unknown", Severity.WARNING, told, "take it away", operations)

    def _service(self, index: int, webhook: RawObject, wanted: RawObject) -> Iterator[Diagnosis]:
        said, meant = webhook.get("clientConfig") or {}, wanted["clientConfig"]["service"]
        if said.get("service") == meant:
            return
        told = f"webhook '{wanted['name']}' calls {_address(said)} and not {_address({'service': meant})}"
        at = f"/webhooks/{index}/clientConfig"
        moved = [{"op": "remove", "path": f"{at}/url"}] if "url" in said else []
        operations = [_test(index, wanted["name"]), *moved, {"op": "add", "path": f"{at}/service", "value": meant}]
        yield self._found_of("webhook-service", Severity.ERROR, told, "let it call the Service", operations)

    def _namespaces(self, index: int, webhook: RawObject, wanted: RawObject) -> Iterator[Diagnosis]:
        """Our own namespace must be exempt, or nothing of ours could start while we are down; the system's likewise."""
        name, must = wanted["name"], _exempt(wanted.get("namespaceSelector") or {})
        selector = webhook.get("namespaceSelector") or {}
        lacking = [namespace for namespace in must if _is_guarded(namespace, selector)]
        if lacking:
            told = f"webhook '{name}' does not exempt {_quoted(lacking)}: what runs there must not wait for us"
            exempt = {"key": NAME_LABEL, "operator": "NotIn", "values": must}
            mended = {**selector, "matchExpressions": [*(selector.get("matchExpressions") or ()), exempt]}
            operations = [
                _test(index, name),
                {"op": "add", "path": f"/webhooks/{index}/namespaceSelector", "value": mended},
            ]
            yield self._found_of("namespace-not-exempt", Severity.ERROR, told, "exempt them", operations)

    def _left_out(self, there: list[RawObject]) -> Iterator[Diagnosis]:
        """Yield what users have exempted besides, which the chart lets them choose."""
        by_choice: dict[str, list[str]] = {}
        for webhook in there:
            wanted = self._wanted.get(webhook.get("name", ""), {})
            left_out = _left_out(webhook.get("namespaceSelector") or {}, wanted.get("namespaceSelector") or {})
            if left_out:
                by_choice.setdefault(left_out, []).append(str(webhook.get("name")))
        for left_out, names in by_choice.items():
            told = f"{left_out}: not guarded by {_quoted(names, most=1)}"
            yield Diagnosis("namespaces-left-out", Severity.INFO, told, self._subject)

    def _fields(self, index: int, webhook: RawObject, wanted: RawObject) -> Iterator[Diagnosis]:
        for field, (name, severity) in _FIELDS.items():
            said, meant = webhook.get(field), wanted.get(field)
            if _comparable(said) == _comparable(meant):
                continue
            differs = f"{_differs(said, meant)}{self._writer(wanted['name'], field)}{_follows(field, said)}"
            told = f"webhook '{wanted['name']}': `{field}` is {differs}"
            at = f"/webhooks/{index}/{field}"
            change = {"op": "remove", "path": at} if not meant else {"op": "add", "path": at, "value": meant}
            what = "take it away" if not meant else "set it as shipped; with Helm, in the values too"
            yield self._found_of(name, severity, told, what, [_test(index, wanted["name"]), change])

    def _found_of(self, name: str, severity: Severity, told: str, what: str, operations: list[Any]) -> Diagnosis:
        command = patch_command(self._plural, self._subject.name, operations)
        return Diagnosis(name, severity, told, self._subject, Fix(what, command))

    def _writer(self, webhook: str, field: str) -> str:
        """Return who has set a field, as the API server has noted it (KEP-555), for the end of a sentence."""
        key = 'k:{"name":' + json.dumps(webhook) + "}"
        managers = [
            str(entry.get("manager"))
            for entry in self._found.get("metadata", {}).get("managedFields") or ()
            if f"f:{field}" in (((entry.get("fieldsV1") or {}).get("f:webhooks") or {}).get(key) or {})
        ]
        return f", set by '{managers[-1]}'" if managers else ""


def _test(index: int, name: str) -> RawObject:
    """Return the operation that makes a patch fail where the webhooks stand in another order by now."""
    return {"op": "test", "path": f"/webhooks/{index}/name", "value": name}


def _exempt(selector: RawObject) -> list[str]:
    expressions = selector.get("matchExpressions") or ()
    return [value for expression in expressions if _is_exemption(expression) for value in expression.get("values", ())]


def _is_guarded(namespace: str, selector: RawObject) -> bool:
    """Return whether a selector lets a namespace in, as far as its name decides: other labels anybody may change."""
    labels = {key: value for key, value in (selector.get("matchLabels") or {}).items() if key == NAME_LABEL}
    by_name = [one for one in selector.get("matchExpressions") or () if one.get("key") == NAME_LABEL]
    names = parse_label_selector({"matchLabels": labels, "matchExpressions": by_name}, ROOT, Reader())
    return names.matches({NAME_LABEL: namespace})


def _left_out(selector: RawObject, shipped: RawObject) -> str:
    """Return which namespaces a selector exempts besides those of the shipped one; empty where it does not."""
    more = [namespace for namespace in _exempt(selector) if namespace not in _exempt(shipped)]
    expressions = selector.get("matchExpressions") or ()
    narrowed = bool(selector.get("matchLabels")) or not all(map(_is_exemption, expressions))
    by_label = "namespaces by their labels" if narrowed else ""
    return " and ".join(filter(None, (_quoted(more, most=2), by_label)))


def _is_exemption(expression: RawObject) -> bool:
    return expression.get("key") == NAME_LABEL and expression.get("operator") == "NotIn"


def _comparable(value: Any) -> Any:
    """Return a value in which what the API server fills in, or keeps in no order, makes no difference."""
    if isinstance(value, list):
        return [_comparable(each) for each in value] if value else None
    if isinstance(value, dict):
        sets = ("apiGroups", "apiVersions", "operations", "resources")
        return {key: sorted(each) if key in sets else _comparable(each) for key, each in value.items()} or None
    return value


def _follows(field: str, said: object) -> str:
    if field == "failurePolicy":
        return f": {_FAILS_OPEN if said == 'Ignore' else _FAILS_CLOSED}"
    return ""


def _differs(said: object, meant: object) -> str:
    """Return what a field is and what is shipped; where that is long, only that they differ."""
    pair = [
        value if isinstance(value, str) else json.dumps(value, separators=(",", ":")) if value else ""
        for value in (said, meant)
    ]
    if max(map(len, pair)) > _MOST_SHOWN:
        return "not as shipped" if said else "missing"
    is_, shipped = (f"'{text}'" if text else "empty" for text in pair)
    return f"{is_}, shipped is {shipped}"


def _address(client: RawObject) -> str:
    service = client.get("service")
    if not service:
        return f"'{client.get('url')}'"
    return f"'{service.get('name')}.{service.get('namespace')}.svc:{service.get('port', 443)}{service.get('path', '')}'"


def _quoted(names: list[str], most: int = 4) -> str:
    """Return names in quotes, the first of many."""
    more = len(names) - most
    return ", ".join(f"'{name}'" for name in names[:most]) + (f" and {more} more" if more > 0 else "")
