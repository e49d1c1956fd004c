"""Joins settings, cluster, ledger, rules and server into one running process."""

import os
import secrets
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from random import SystemRandom
from time import monotonic

from webhook.bootstrap.admission import Admission, LeftToOthers, Templates, nobody
from webhook.bootstrap.numbers import CacheNumbers, PolicyNumbers
from webhook.bootstrap.offline import rulebook_of
from webhook.bootstrap.policing import ClusterSource, PolicyDesk, PolicyWatch
from webhook.bootstrap.presenting import certificate_files
from webhook.bootstrap.sources import ApiSource, FolderSource
from webhook.core.decision import Deny
from webhook.core.render import Style
from webhook.core.review import Review
from webhook.kube.access import load_access
from webhook.kube.client import ApiClient
from webhook.kube.denials import PodTelling
from webhook.kube.events import Events
from webhook.kube.folder import Assumptions, Folder
from webhook.kube.ledger import KubeLedger, LedgerSettings
from webhook.kube.ledgers import Ledger
from webhook.kube.sqlite_ledger import SqliteLedger
from webhook.kube.template_files import TemplateFiles
from webhook.kube.view import Told
from webhook.server.app import Needs
from webhook.server.edge import Background
from webhook.server.limits import Limits
from webhook.server.log import LineSink, Log, make_log
from webhook.server.metrics import Metrics
from webhook.server.probes import Check
from webhook.server.run import Listen, make_edge, run
from webhook.server.tls import MinimumVersion, ServingCertificate
from webhook.server.tracing import tracing
from webhook.server.work import Work
from webhook.settings import Settings


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where the view comes from, where charges go, and what keeps both going."""

    source: ClusterSource
    ledger: Ledger
    background: tuple[Background, ...]
    templates: Templates
    refused: Callable[[Review, Deny], None] = nobody


def serve_until_told(settings: Settings, announce: Callable[[str], None]) -> int:
    """Serve until a signal ends it and return the exit code; SettingsError, with all problems, before listening."""
    metrics = Metrics(version("drawbridge"))
    sink = LineSink(sys.stderr, metrics.log_lines_dropped.inc)
    log = make_log(sink)
    work = Work(Limits().threads)
    with ExitStack() as exits:
        exits.callback(sink.close)
        exits.callback(work.close)
        directory, renewing = certificate_files(settings, log, _now, exits)
        minimum = MinimumVersion(settings.tls_min_version)
        certificate = ServingCertificate(directory, minimum, _now, metrics, log, settings.client_ca)
        cluster = _folder(settings, log) if settings.cluster else _live(settings, log, metrics)
        desk = PolicyDesk(count=metrics.policy_outcome)
        metrics.registry.register(PolicyNumbers(lambda: desk.book.shelf))
        admission = Admission(
            cluster.source,
            cluster.ledger,
            rulebook_of(settings),
            work,
            cluster.templates,
            metrics.unknown_kind,
            _now,
            desk,
            refused=cluster.refused,
        )
        policies = PolicyWatch(desk, cluster.source, work, metrics, log)
        traces = tracing(os.environ, version("drawbridge"), log)
        if traces is not None:
            exits.callback(traces.close)
        needs = Needs(
            admission.handlers(),
            metrics,
            log,
            work,
            style=Style(settings.docs_url),
            trace=None if traces is None else traces.trace,
        )
        edge = make_edge(
            needs,
            Listen(settings.host, settings.port, settings.health_port, settings.drain_seconds),
            certificate,
            checks=lambda: (Check("cluster", cluster.source.unready()),),
            background=(*renewing, *cluster.background, policies.follow),
            client_subjects=frozenset(settings.client_subjects),
        )
        return run(edge, announce)


def _now() -> datetime:
    return datetime.now(UTC)


def _folder(settings: Settings, log: Log) -> Cluster:
    ledger = SqliteLedger(settings.ledger, rulebook_of(settings).exempt)
    assumptions = Assumptions(settings.kubernetes_version, settings.feature_gates, settings.namespace, settings.drivers)
    source = FolderSource(Folder(settings.cluster, assumptions), log, ledger.observe)
    written = None if settings.write_templates is None else TemplateFiles(settings.write_templates)
    return Cluster(source, ledger, (source.follow,), written or LeftToOthers(are_made=False))


def _live(settings: Settings, log: Log, metrics: Metrics) -> Cluster:
    api = ApiClient(load_access(settings.kubeconfig, settings.context))
    told = Told(settings.kubernetes_version, settings.feature_gates, drivers=settings.drivers)
    source = ApiSource(api, told, log)
    metrics.registry.register(CacheNumbers(source.reflectors))
    ledger = KubeLedger(
        api,
        new_attempt=lambda: secrets.token_hex(8),
        now=_now,
        random=SystemRandom(),
        log=log,
        on_conflict=metrics.ledger_conflicts.inc,
        settings=LedgerSettings(settings.reservation_seconds),
    )
    telling = PodTelling(Events(api, _now, log, "drawbridge"), monotonic, metrics.pod_event)
    return Cluster(source, ledger, (source.follow, telling.run), LeftToOthers(are_made=True), telling.refused)
