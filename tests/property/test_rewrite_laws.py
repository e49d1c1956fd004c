"""Laws of the rewrite, over random pods."""

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from tests.support.rewriting import NAMESPACE, make_cluster, shipped
from webhook.core.mappings import is_extended
from webhook.core.patch import apply
from webhook.rewrite.derive import derive
from webhook.rewrite.original import ANNOTATION
from webhook.rewrite.reasons import Code
from webhook.rewrite.refusals import LeftAlone
from webhook.rewrite.rewriting import Rewritten, rewrite
from webhook.rewrite.templates import MOST_DEVICES, PREFIX

GPU, MIG = "nvidia.com/gpu", "nvidia.com/mig-1g.10gb"
MAPPED = (GPU, MIG)
VIEW = make_cluster(mappings=[shipped("nvidia")])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab/~é", max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab/~", max_size=3), inner, max_size=3),
    max_leaves=6,
)
unknown = st.dictionaries(st.sampled_from(["futureOne", "future/two", "future~3"]), json_values, max_size=2)
counts = st.sampled_from(["0", "1", "2", "3", "4000m", "5e0", "6"])
amounts = st.fixed_dictionaries(
    {}, optional={GPU: counts, MIG: counts, "cpu": st.just("2"), "vendor.com/x": st.just("1")}
)


@st.composite
def resources(draw: st.DrawFn) -> dict[str, Any]:
    limits = draw(amounts)
    found: dict[str, Any] = {**draw(unknown), "limits": limits}
    if draw(st.booleans()):
        found["requests"] = dict(limits)
    if draw(st.booleans()):
        found["claims"] = [{"name": "nic"}]
    return found


@st.composite
def containers(draw: st.DrawFn, prefix: str, least: int) -> list[dict[str, Any]]:
    found = []
    for number in range(draw(st.integers(least, 3))):
        container: dict[str, Any] = {**draw(unknown), "name": f"{prefix}-{number}"}
        if draw(st.booleans()):
            container["resources"] = draw(resources())
        if prefix == "init" and draw(st.booleans()):
            container["restartPolicy"] = "Always"
        found.append(container)
    return found


@st.composite
def pods(draw: st.DrawFn) -> dict[str, Any]:
    spec: dict[str, Any] = {**draw(unknown), "containers": draw(containers("app", 1))}
    if draw(st.booleans()):
        spec["initContainers"] = draw(containers("init", 0))
    spec["resourceClaims"] = [{"name": name, "resourceClaimName": "mine"} for name in ("nic", *draw(names))]
    if draw(st.booleans()):
        spec["tolerations"] = [{"key": GPU, "operator": "Exists", "effect": draw(st.sampled_from(["NoSchedule", ""]))}]
    metadata = {**draw(unknown), "annotations": draw(st.dictionaries(st.text("ab/", max_size=3), st.just("x")))}
    return {**draw(unknown), "apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


names = st.lists(st.sampled_from(["gpu", "gpu-2", "gpu-3"]), unique=True, max_size=2)


def _asked(container: Mapping[str, Any], name: str) -> int:
    written = container.get("resources", {}).get("limits", {}).get(name, "0")
    return {"4000m": 4, "5e0": 5}.get(written) or int(written)


def _all_containers(pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]


def _asks(pod: Mapping[str, Any]) -> bool:
    limits = (container.get("resources", {}).get("limits", {}) for container in _all_containers(pod))
    return any(name in asked for asked in limits for name in MAPPED)


def _rewritten(pod: dict[str, Any]) -> Rewritten | None:
    outcome = rewrite(pod, NAMESPACE, VIEW)
    assert outcome is None or isinstance(outcome, Rewritten), outcome
    return outcome


@given(pods())
def test_fm_36_the_patch_makes_the_pod_that_is_returned_and_the_pod_received_stays_as_it_is(
    pod: dict[str, Any],
) -> None:
    received = json.dumps(pod)
    outcome = _rewritten(pod)
    if outcome is not None:
        assert apply(json.loads(received), outcome.patch) == outcome.pod
    assert json.dumps(pod) == received


@given(pods())
def test_a_pod_without_mapped_limits_is_untouched_and_any_other_is_rewritten(pod: dict[str, Any]) -> None:
    assert (_rewritten(pod) is None) == (not _asks(pod))


@given(pods())
def test_each_long_lived_container_gets_the_devices_of_its_limit_and_nobody_elses(pod: dict[str, Any]) -> None:
    outcome = _rewritten(pod)
    if outcome is None:
        return
    held: set[str] = set()
    for before, after in zip(_all_containers(pod), _all_containers(outcome.pod), strict=True):
        if before["name"].startswith("init") and before.get("restartPolicy") != "Always":
            continue
        ours = _ours(after, outcome)
        for name in MAPPED:
            assert sum(count for resource, count in ours.values() if resource == name) == _asked(before, name)
        assert not held & ours.keys()
        held |= ours.keys()


@given(pods())
def test_an_init_container_gets_enough_and_the_pod_holds_no_more_than_the_device_plugin_would_give(
    pod: dict[str, Any],
) -> None:
    outcome = _rewritten(pod)
    if outcome is None:
        return
    for before, after in zip(_all_containers(pod), _all_containers(outcome.pod), strict=True):
        ours = _ours(after, outcome)
        for name in MAPPED:
            assert sum(count for resource, count in ours.values() if resource == name) >= _asked(before, name)
    for name in MAPPED:
        claimed = sum(claim.count for claim in outcome.plan.claims if claim.resource == name)
        assert claimed == _of_device_plugin(pod, name)


def _of_device_plugin(pod: Mapping[str, Any], name: str) -> int:
    """Return max(app + sidecars, each init container + sidecars before it) (component-helpers/resource)."""
    sidecars = 0
    most = 0
    for container in pod["spec"].get("initContainers") or []:
        if container.get("restartPolicy") == "Always":
            sidecars += _asked(container, name)
        else:
            most = max(most, _asked(container, name) + sidecars)
    return max(most, sidecars + sum(_asked(container, name) for container in pod["spec"]["containers"]))


def _ours(container: Mapping[str, Any], outcome: Rewritten) -> dict[str, tuple[str, int]]:
    claims = {claim.name: (claim.resource, claim.count) for claim in outcome.plan.claims}
    named = [claim["name"] for claim in container.get("resources", {}).get("claims") or []]
    assert len(named) == len(set(named)), "no container names a claim twice"
    return {name: claims[name] for name in named if name in claims}


@given(pods())
def test_fm_38_no_mapped_key_is_left_and_a_second_pass_changes_nothing(pod: dict[str, Any]) -> None:
    outcome = _rewritten(pod)
    if outcome is None:
        return
    for container in _all_containers(outcome.pod):
        for field in ("limits", "requests"):
            assert not set(MAPPED) & (container.get("resources", {}).get(field) or {}).keys()
    assert rewrite(outcome.pod, NAMESPACE, VIEW) is None


@given(pods())
def test_fm_37_everything_but_what_a_rewrite_owns_is_as_it_was(pod: dict[str, Any]) -> None:
    outcome = _rewritten(pod)
    if outcome is None:
        return
    assert _without_ours(outcome.pod, outcome) == _without_ours(pod, outcome)


def _without_ours(pod: Mapping[str, Any], outcome: Rewritten) -> Any:
    """Return the pod without what the patch may change (operations.md T-10)."""
    copy = json.loads(json.dumps(pod))
    copy["metadata"].get("annotations", {}).pop(ANNOTATION, None)
    claims = {claim.name for claim in outcome.plan.claims}
    copy["spec"]["resourceClaims"] = [claim for claim in copy["spec"]["resourceClaims"] if claim["name"] not in claims]
    copy["spec"]["tolerations"] = [t for t in copy["spec"].get("tolerations", []) if t["key"] not in MAPPED]
    for container in _all_containers(copy):
        asked = container.get("resources", {})
        for field in ("limits", "requests"):
            for name in MAPPED:
                asked.get(field, {}).pop(name, None)
        if "claims" in asked:
            asked["claims"] = [claim for claim in asked["claims"] if claim["name"] not in claims] or None
        if not asked.get("claims"):
            asked.pop("claims", None)
    return copy


@given(pods())
def test_fm_38_the_same_pod_always_gives_the_same_patch_whatever_the_order_of_its_keys(pod: dict[str, Any]) -> None:
    other = rewrite(json.loads(json.dumps(pod, sort_keys=True)), NAMESPACE, VIEW)
    outcome = _rewritten(pod)
    if outcome is None:
        assert other is None
        return
    assert isinstance(other, Rewritten)
    assert other.pod == outcome.pod


@given(pods())
def test_the_controller_derives_exactly_the_templates_that_the_pod_refers_to(pod: dict[str, Any]) -> None:
    outcome = _rewritten(pod)
    if outcome is None:
        return
    derived = derive(outcome.pod, NAMESPACE, VIEW)
    assert not derived.underivable
    assert dict(derived.templates) == {template.name: template for template in outcome.made()}


@given(pods(), containers("late", 1))
def test_a_container_that_another_webhook_adds_afterwards_is_planned_with_the_others(
    pod: dict[str, Any], late: list[dict[str, Any]]
) -> None:
    first = _rewritten(pod)
    if first is None:
        return
    whole = json.loads(json.dumps(pod))
    whole["spec"]["containers"] += late
    later = json.loads(json.dumps(first.pod))
    later["spec"]["containers"] += late
    at_once, second = _rewritten(whole), _rewritten(later)
    assert at_once is not None
    if second is None:
        assert not any(name in c.get("resources", {}).get("limits", {}) for c in late for name in MAPPED)
        return
    assert _claims_of(second.pod) == _claims_of(at_once.pod)
    assert second.pod["metadata"]["annotations"] == at_once.pod["metadata"]["annotations"]


def _claims_of(pod: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Return for each container the generated templates that it gets."""
    templates = {c["name"]: c.get("resourceClaimTemplateName", "") for c in pod["spec"]["resourceClaims"]}
    return [
        (
            container["name"],
            [
                templates[claim["name"]]
                for claim in container.get("resources", {}).get("claims") or []
                if templates[claim["name"]].startswith(PREFIX)
            ],
        )
        for container in _all_containers(pod)
    ]


@st.composite
def written_amounts(draw: st.DrawFn) -> tuple[str, Fraction]:
    """Return a quantity between 0 and 1e30 as somebody might write it, and its amount."""
    digits, exponent = draw(st.integers(0, 40) | st.integers(0, 10**12)), draw(st.integers(-3, 18))
    suffix, power = draw(st.sampled_from([("", 0), ("m", -3), ("k", 3), ("E", 18), (f"e{exponent}", exponent)]))
    return f"{digits}{suffix}", digits * Fraction(10) ** power


@given(written_amounts())
def test_a_quantity_becomes_as_many_devices_or_the_pod_stays_as_it_is(written: tuple[str, Fraction]) -> None:
    text, amount = written
    pod = {"metadata": {}, "spec": {"containers": [{"name": "main", "resources": {"limits": {GPU: text}}}]}}
    outcome = rewrite(pod, NAMESPACE, VIEW)
    if amount.denominator == 1 and amount <= MOST_DEVICES:
        assert isinstance(outcome, Rewritten)
        assert [claim.count for claim in outcome.plan.claims] == ([int(amount)] if amount else [])
    else:
        assert isinstance(outcome, LeftAlone)
        assert outcome.code is (Code.TOO_MANY_DEVICES if amount.denominator == 1 else Code.UNPARSABLE_QUANTITY)


@given(st.text(max_size=40))
def test_kubernetes_own_names_are_never_extended_resources(name: str) -> None:
    assert not is_extended(f"kubernetes.io/{name}")
    assert not is_extended(name.replace("/", ""))
