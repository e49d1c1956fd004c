"""What the claims of pods would be charged: those that are made from templates, once for each pod."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from webhook.core.claims import CLAIM, Claim
from webhook.core.cluster import ClusterView
from webhook.core.fieldpath import FieldPath
from webhook.core.quota_status import Amounts
from webhook.core.quotas import DeviceQuota
from webhook.quota.charge import QuotaCharge, Tariff
from webhook.quota.charges import charges_of

_NOTHING = Fraction(0)


@dataclass(frozen=True, slots=True)
class Asked:
    """A template that each pod makes a claim from; `path` is where the pod says so."""

    template: Claim
    path: FieldPath


@dataclass(frozen=True, slots=True)
class PodCharge:
    """What so many pods are charged on one quota; `before` is what the workload's pods took before a change of it."""

    quota: DeviceQuota
    pods: int
    claims: tuple[tuple[FieldPath, QuotaCharge], ...]
    before: Amounts = field(default_factory=dict)

    def of_one(self, limit: str) -> Fraction:
        """Return what one pod takes of a limit."""
        return sum((charged.amounts().get(limit, _NOTHING) for _, charged in self.claims), _NOTHING)

    def amounts(self) -> Amounts:
        """Return what the pods take more than before, limit by limit."""
        taken = {limit.name: self.of_one(limit.name) * self.pods for limit in self.quota.limits}
        more = {name: amount - self.before.get(name, _NOTHING) for name, amount in taken.items()}
        return {name: amount for name, amount in more.items() if amount > 0}

    def largest(self, limit: str) -> FieldPath:
        """Return where the pod asks for most of a limit, the first of several."""
        return max(self.claims, key=lambda entry: entry[1].amounts().get(limit, _NOTHING))[0]

    def unbounded(self) -> Iterator[tuple[FieldPath, str]]:
        """Yield where the pod asks for something of which a limit's charge cannot be known, with the limit's name."""
        for path, charged in self.claims:
            for on_limit in charged.limits:
                if on_limit.unbounded:
                    yield path, on_limit.limit.name


def pod_charges(
    asked: Sequence[Asked],
    pods: int,
    namespace: str,
    view: ClusterView,
    tariff: Tariff,
    *,
    before: Iterable[PodCharge] = (),
) -> tuple[PodCharge, ...]:
    """Return what the pods would be charged on each quota of their namespace."""
    of_template: dict[int, Mapping[str, QuotaCharge]] = {}
    for one in asked:
        if id(one.template) not in of_template:
            charges = charges_of(replace(one.template, kind=CLAIM), namespace, view, tariff)
            of_template[id(one.template)] = {_key(charged.quota): charged for charged in charges}
    taken = {_key(charged.quota): charged.amounts() for charged in before}
    return tuple(
        PodCharge(
            quota,
            pods,
            tuple((one.path, of_template[id(one.template)][_key(quota)]) for one in asked),
            taken.get(_key(quota), {}),
        )
        for quota in (view.quotas_of(namespace) if asked else ())
    )


def _key(quota: DeviceQuota) -> str:
    return f"{quota.namespace}/{quota.name}"
