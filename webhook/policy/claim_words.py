"""`claim`: requests, constraints and configurations in words that are the same in every version, template and pod."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from webhook.cel.values import Value
from webhook.core.claims import TEMPLATE, AllocationMode, Alternative, Claim, Constraint, DeviceRequest, OpaqueConfig
from webhook.core.finding import Finding
from webhook.core.quantity import Quantity
from webhook.inventory.case import Case
from webhook.inventory.names import drivers_of
from webhook.policy.case import PolicyCase
from webhook.policy.claim_outlook import matching_of, mig_profiles, worst_of

Fields = Mapping[str, Callable[[], Value]]

# The sizes of webhook/policy/vocabulary.py.
_MOST_REQUESTS: Final = 32
_MOST_ALTERNATIVES: Final = 64
_FEW: Final = 8
_MOST_SELECTOR: Final = 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One claim of the object: itself, or one that a pod refers to under a name."""

    pod_claim: str
    claim: Claim


def claim_fields(case: PolicyCase) -> Fields:
    """Return the fields of `claim`, to be computed when they are read."""
    parts = tuple(_parts(case))
    made: dict[str, Value] = {}

    def requests() -> Value:
        if "requests" not in made:
            made["requests"] = [_request(case, part, request) for part in parts for request in part.claim.requests]
        return made["requests"]

    return {
        "requests": requests,
        "alternatives": lambda: [one for request in requests() for one in request["alternatives"]],
        "constraints": lambda: [_constraint(one) for part in parts for one in part.claim.constraints],
        "configs": lambda: [_config(one) for part in parts for one in part.claim.config],
        "migProfiles": lambda: mig_profiles(_cases(case, parts)),
        "worst": lambda: worst_of(_cases(case, parts)),
        "matching": lambda: matching_of(_cases(case, parts)),
        "findings": lambda: [_finding(finding) for finding in case.findings],
        "fromTemplate": lambda: bool(parts) and all(_from_template(part.claim) for part in parts),
        "missing": lambda: [name for name, claim in case.pod_claims.items() if claim is None],
    }


def is_ordinary(case: PolicyCase) -> bool:
    """Return whether the claims are no larger than the vocabulary's sizes assume."""
    claims = [part.claim for part in _parts(case)]
    ways = [one for claim in claims for one in claim.alternatives()]
    few = max(sum(len(claim.config) for claim in claims), sum(len(claim.constraints) for claim in claims))
    return (
        sum(len(claim.requests) for claim in claims) <= _MOST_REQUESTS
        and len(ways) <= _MOST_ALTERNATIVES
        and few <= _FEW
        and all(len(one.selectors) <= _FEW and len(one.tolerations) <= _FEW for one in ways)
        and all(len(selector.expression) <= _MOST_SELECTOR for one in ways for selector in one.selectors)
    )


def _parts(case: PolicyCase) -> Iterable[Part]:
    if case.claim is not None:
        yield Part("", case.claim)
    for name, claim in case.pod_claims.items():
        if claim is not None:
            yield Part(name, claim)


def _cases(case: PolicyCase, parts: Iterable[Part]) -> tuple[Case, ...]:
    return tuple(Case(part.claim, case.namespace, case.view, case.expired) for part in parts)


def _from_template(claim: Claim) -> bool:
    return claim.kind == TEMPLATE or claim.made_from_template()


def _request(case: PolicyCase, part: Part, request: DeviceRequest) -> dict[str, Value]:
    alternatives = [_alternative(case, part.claim, request, one) for one in request.alternatives]
    own: dict[str, Value] = {}
    if len(alternatives) == 1 and not request.prioritized:
        own = {name: value for name, value in alternatives[0].items() if name != "request"}
    return {**own, "name": request.name, "podClaim": part.pod_claim, "alternatives": alternatives}


def _alternative(case: PolicyCase, claim: Claim, request: DeviceRequest, one: Alternative) -> dict[str, Value]:
    drivers = drivers_of(case.view, one, case.expired)
    found: dict[str, Value] = {
        "name": one.name,
        "request": request.name,
        "deviceClassName": one.device_class_name,
        "count": one.count if one.mode is not AllocationMode.ALL else 0,
        "all": one.mode is AllocationMode.ALL,
        "adminAccess": one.admin_access,
        "selectors": [selector.expression for selector in one.selectors],
        "capacity": _capacity(one),
        "tolerations": [
            {"key": t.key, "operator": t.operator, "value": t.value, "effect": t.effect} for t in one.tolerations
        ],
        "configs": [_config(config) for config in claim.config if _concerns(config, request, one)],
    }
    if drivers is not None:
        found["drivers"] = sorted(drivers)
    return found


def _capacity(one: Alternative) -> dict[str, Quantity]:
    """Return what is asked by the bare names; of two spellings of one name the larger counts (contract 5.3)."""
    asked: dict[str, Quantity] = {}
    for entry in one.capacity:
        name = entry.name.rpartition("/")[2]
        asked[name] = max(asked.get(name, entry.quantity), entry.quantity)
    return asked


def _concerns(config: OpaqueConfig, request: DeviceRequest, one: Alternative) -> bool:
    return not config.requests or request.name in config.requests or one.name in config.requests


def _config(config: OpaqueConfig) -> dict[str, Value]:
    parameters = config.parameters
    version, kind = parameters.get("apiVersion"), parameters.get("kind")
    return {
        "driver": config.driver,
        "requests": list(config.requests),
        "apiVersion": version if isinstance(version, str) else "",
        "kind": kind if isinstance(kind, str) else "",
        "parameters": parameters,
    }


def _constraint(one: Constraint) -> dict[str, Value]:
    return {
        "requests": list(one.requests),
        "matchAttribute": one.match_attribute,
        "distinctAttribute": one.distinct_attribute,
    }


def _finding(one: Finding) -> dict[str, Value]:
    return {"rule": one.rule, "severity": one.severity.value, "field": str(one.path), "message": one.message}
