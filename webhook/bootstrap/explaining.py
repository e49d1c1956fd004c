"""The funnels of all requests that a manifest makes, by itself or through the claims of its pods."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from webhook.bootstrap.offline import Offline
from webhook.core.claims import CLAIM, GROUP, TEMPLATE, Alternative, Claim, Selector, parse_claim
from webhook.core.finding import Edit, Fix, Severity
from webhook.core.raw import RawObject
from webhook.core.suggest import MOST_SUGGESTIONS
from webhook.inventory.case import Case, compiled_new, never
from webhook.inventory.changes import smallest_changes
from webhook.inventory.failing import failure_of
from webhook.inventory.funnel import Funnel, funnel_of, together
from webhook.inventory.inventory import inventory_of
from webhook.inventory.oddities import oddities
from webhook.inventory.pod_case import pod_case
from webhook.inventory.readiness import awaited
from webhook.inventory.relaxing import relaxations
from webhook.rules import COMPILING, SCHEMA, judged

_MOST_NODES = 5
TOGETHER = "whether the claims of a pod fit together on one node is not judged"


@dataclass(frozen=True, slots=True)
class Asked:
    """One way to serve a request of a claim or template."""

    claim: Claim
    namespace: str
    alternative: Alternative


@dataclass(frozen=True, slots=True)
class Subjects:
    """All that is asked for; `missing` are references to nothing, `pods` tells whether there are pods."""

    asked: tuple[Asked, ...]
    missing: tuple[str, ...]
    pods: bool


@dataclass(frozen=True, slots=True)
class Explained:
    """The funnel of what is asked, and the smallest changes with which it would match."""

    asked: Asked
    funnel: Funnel
    fixes: tuple[Fix, ...]
    notes: tuple[str, ...]


def subjects_of(judge: Offline, raws: Sequence[RawObject]) -> Subjects:
    """Return what claims and templates ask for, and those that pods and workloads refer to, each once."""
    claims: dict[tuple[str, str, str], tuple[Claim, str]] = {}
    missing: dict[str, None] = {}
    pods = False
    for raw in raws:
        namespace = judge.namespace_of(raw)
        group = str(raw.get("apiVersion")).rpartition("/")[0]
        if group == GROUP and raw.get("kind") in (CLAIM, TEMPLATE):
            claim = parse_claim(raw)
            claims.setdefault((claim.kind, namespace, claim.metadata.name), (claim, namespace))
            continue
        case = pod_case(raw, namespace, judge.view)
        if case is None:
            continue
        pods = True
        for entry in case.pod.claims:
            found = case.claim_of(entry)
            if found is None:
                kind, name = (TEMPLATE, entry.template_name) if entry.template_name else (CLAIM, entry.claim_name)
                missing[f"{kind} '{name}' in namespace '{namespace}' does not exist"] = None
            else:
                claims.setdefault((found.kind, namespace, found.metadata.name), (found, namespace))
    asked = (Asked(claim, namespace, way) for claim, namespace in claims.values() for way in claim.alternatives())
    return Subjects(tuple(asked), tuple(missing), pods)


def explained(judge: Offline, asked: Asked, expired: Callable[[], bool] = never) -> Explained:
    """Return the funnel of one thing asked for; `expired`, which is called now and then, must not end it."""
    inventory = inventory_of(judge.view)
    case = Case(asked.claim, asked.namespace, judge.view, expired)
    funnel = funnel_of(case, asked.alternative)
    assert funnel is not None  # the time is never over
    fixes = tuple(_fixes(case, funnel))[:MOST_SUGGESTIONS]
    clauses = (step.clause for step in funnel.steps if step.clause is not None)
    waiting = awaited(judge.view, inventory, together(funnel.steps)) if funnel.matched else ()
    notes = (*_errors(case, asked.alternative), *waiting, *oddities(inventory, clauses))
    return Explained(asked, funnel, fixes, notes)


def _fixes(case: Case, funnel: Funnel) -> Iterator[Fix]:
    """Yield what lets a device match, best first: mistakes in the request put right, then the smallest changes.

    A name that is known to be misspelt is not a clause too much.
    """
    yield from relaxations(case, funnel)
    if funnel.matched:
        return
    at = funnel.alternative.path.steps
    mended: dict[tuple[Edit, ...], Fix] = {}
    for finding in judged(case, (*COMPILING, *SCHEMA)):
        first = next(iter(finding.fixes), None)
        mistaken = finding.severity is Severity.DENY and finding.path.steps[: len(at)] == at
        if mistaken and first is not None and first.edits:
            mended.setdefault(first.edits, first)
    yield from mended.values()
    yield from (change.fix() for change in smallest_changes(case, funnel) if change.fix().edits not in mended)


def _errors(case: Case, alternative: Alternative) -> Iterator[str]:
    """Yield the selectors that end in an error on devices that they meet, with the nodes of these."""
    device_class = case.view.device_classes.get(alternative.device_class_name)
    if device_class is None:
        return
    inventory = inventory_of(case.view)
    before: list[Selector] = []
    named = [(f"a selector of class '{device_class.name}'", selector) for selector in device_class.selectors]
    named += [(f"selector {n} of request {alternative.name}", one) for n, one in enumerate(alternative.selectors)]
    for name, selector in named:
        ast = compiled_new(selector.expression, case.view.server).ast
        failure = None if ast is None else failure_of(case, before, selector, ast)
        if failure is not None:
            nodes = sorted({inventory.places[number].reach.node_name or "every node" for number in failure.failing})
            shown = ", ".join(nodes[:_MOST_NODES]) + (
                f" and {len(nodes) - _MOST_NODES} more" if nodes[_MOST_NODES:] else ""
            )
            devices = "1 device" if len(failure.failing) == 1 else f"{len(failure.failing)} devices"
            yield f"{name} ends in an error on {devices}, which may stop the pod on: {shown}"
        before.append(selector)
