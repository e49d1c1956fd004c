"""Metrics of watches and of the controller, read from them when somebody asks."""

from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from prometheus_client import Metric
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from webhook.kube.certificates import CertificateFigures
from webhook.kube.controller import Figures
from webhook.kube.reflector import Reflector
from webhook.policy.book import Shelf

MOST_POLICIES = 200


class CacheNumbers(Collector):
    """How the copies of the cluster's objects stand, by kind."""

    def __init__(self, reflectors: Sequence[Reflector]) -> None:
        self._reflectors = reflectors

    def collect(self) -> Iterable[Metric]:
        synced = GaugeMetricFamily("drawbridge_cache_synced", "1 once the kind was listed.", labels=["kind"])
        objects = GaugeMetricFamily("drawbridge_cache_objects", "Objects that are kept.", labels=["kind"])
        age = GaugeMetricFamily(
            "drawbridge_cache_last_event_age_seconds", "How long the watch has been silent.", labels=["kind"]
        )
        relists = CounterMetricFamily(
            "drawbridge_cache_relists", "Lists that were needed again, by reason.", labels=["kind", "reason"]
        )
        for reflector in self._reflectors:
            kind = [reflector.kind.plural]
            synced.add_metric(kind, float(reflector.synced))
            objects.add_metric(kind, reflector.objects)
            age.add_metric(kind, reflector.last_event_age())
            for reason, count in dict(reflector.relists).items():
                relists.add_metric([*kind, reason], count)
        return synced, objects, age, relists


class PolicyNumbers(Collector):
    """Which versions of policies are in use; replicas that differ in them judge differently."""

    def __init__(self, shelf: Callable[[], Shelf]) -> None:
        self._shelf = shelf

    def collect(self) -> Iterable[Metric]:
        generations = GaugeMetricFamily(
            "drawbridge_policy_generation",
            f"The generation of each policy that is in use; of the first {MOST_POLICIES} by name.",
            labels=["policy"],
        )
        for name, generation in islice(self._shelf().generations.items(), MOST_POLICIES):
            generations.add_metric([name], generation)
        yield generations


class WorkNumbers(Collector):
    """What a controller has done."""

    def __init__(self, figures: Callable[[], Figures]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        figures = self._figures()
        yield GaugeMetricFamily("drawbridge_leading", "1 while this controller leads.", float(figures.leading))
        for name, text, value in (
            ("drawbridge_quota_folds", "Folds of stored claims into a quota.", figures.folds),
            (
                "drawbridge_quota_reservations_ended",
                "Reservations whose claim never came.",
                figures.reservations_ended,
            ),
            ("drawbridge_quota_drifts", "Limits whose books somebody else had changed.", figures.drifts),
            ("drawbridge_templates_made", "Claim templates made.", figures.templates_made),
            ("drawbridge_templates_collected", "Unused claim templates deleted.", figures.templates_collected),
            (
                "drawbridge_templates_underivable",
                "References to templates that follow from nothing.",
                figures.templates_underivable,
            ),
            ("drawbridge_templates_refused", "Claim templates that the API server refused.", figures.templates_refused),
        ):
            yield CounterMetricFamily(name, text, float(value))


class CertificateNumbers(Collector):
    """What a rotation of certificates has done."""

    def __init__(self, figures: Callable[[], CertificateFigures]) -> None:
        self._figures = figures

    def collect(self) -> Iterable[Metric]:
        figures = self._figures()
        yield GaugeMetricFamily(
            "drawbridge_ca_not_after_timestamp_seconds",
            "When the CA that signs serving certificates expires; 0 where this process has not looked.",
            figures.ca_not_after,
        )
        actions = CounterMetricFamily(
            "drawbridge_certificate_actions", "Writes of the rotation of certificates, by action.", labels=["action"]
        )
        for action, count in figures.actions.items():
            actions.add_metric([action], count)
        yield actions
        yield CounterMetricFamily(
            "drawbridge_certificate_failures",
            "Reads and writes of the rotation of certificates that failed.",
            figures.failures,
        )
