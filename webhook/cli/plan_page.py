"""A MigrationPlan as one HTML page."""

from collections.abc import Iterator

from webhook.cli.page import Html, element, items, page, table
from webhook.cli.plan_report import Steps, asked, autoscaling, becomes, outcome_of, shared, summary, told
from webhook.kube.yaml_edit import dump
from webhook.rewrite.migration_plan import MigrationPlan, NamespacePlan, Outcome, OwnerPlan, Phase
from webhook.rewrite.phases import Step

_TITLES = ("Owner", "Pods", "Asks", "Becomes", "Mapping", "Outcome", "What is to be known")
_CLASS = {Outcome.MOVES: "good", Outcome.MOVED: "good", Outcome.BLOCKED: "bad", Outcome.NOT_NEEDED: "calm"}


def plan_page(plan: MigrationPlan, steps: Steps) -> str:
    return page("Migration plan", element("p", summary(plan)), *_namespaces(plan), *_cluster(plan), *_order(steps))


def _namespaces(plan: MigrationPlan) -> Iterator[Html]:
    for namespace in plan.namespaces:
        yield element("h2", f"Namespace {namespace.name}")
        caption = f"Who asks the old way in {namespace.name} (phase: {namespace.phase.value})"
        yield table(caption, _TITLES, map(_row, namespace.owners))
        yield from _quotas(namespace)


def _row(owner: OwnerPlan) -> tuple[object, ...]:
    return (
        str(owner),
        owner.family.count,
        items(asked(ask) for ask in owner.asks),
        items(becomes(ask) for ask in owner.asks),
        items(f"{ask.mapping}: {ask.entry}" for ask in owner.asks if ask.mapping),
        element("span", outcome_of(owner), class_=_CLASS[owner.outcome]),
        items(told(owner)),
    )


def _quotas(namespace: NamespacePlan) -> Iterator[Html]:
    if namespace.device_quotas:
        yield element("p", "Before its pods may leave their ResourceQuota:")
        yield element("pre", "---\n".join(dump(dict(quota)) for quota in namespace.device_quotas))


def _cluster(plan: MigrationPlan) -> Iterator[Html]:
    unmapped = ((name, ", ".join(askers)) for name, askers in plan.unmapped.items())
    if plan.shared_nodes or plan.autoscalers:
        yield element("h2", "The cluster")
        yield items([*map(shared, plan.shared_nodes), *map(autoscaling, plan.autoscalers)])
    if plan.unmapped:
        yield element("h2", "What no mapping serves")
        yield table("Extended resources without a mapping", ("Resource", "Asked for by"), unmapped)


def _order(steps: Steps) -> Iterator[Html]:
    yield element("h2", "Order of migration")
    for number, phase in enumerate(Phase, start=1):
        yield element("h3", f"{number}. {phase.value}")
        yield element("ol", *map(_step, steps[phase])) if steps[phase] else element("p", "Nothing to do.")


def _step(step: Step) -> Html:
    run = element("pre", "\n".join(step.run)) if step.run else ""
    apply = element("pre", "---\n".join(dump(dict(one)) for one in step.apply)) if step.apply else ""
    return element("li", step.text, run, apply)
