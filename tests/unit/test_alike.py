"""Reviews whose decisions take equally long have the same terms."""

from dataclasses import replace
from typing import Any

import pytest

from tests.support.build import device, make_slice, make_view
from webhook.bootstrap.alike import Alike
from webhook.core.review import Resource, Review

KIND = Resource("resource.k8s.io", "v1", "ResourceClaim")
VIEW = make_view(make_slice(device("gpu-0")))


def review(name: str, spec: Any, namespace: str = "team-a") -> Review:
    made = {"metadata": {"name": name}, "spec": spec}
    return Review("uid", "CREATE", KIND, KIND, name=name, namespace=namespace, object=made)


def test_claims_of_one_spec_are_alike_and_others_are_not() -> None:
    alike = Alike()

    def terms(asked: Review, endpoint: str = "/validate/claims") -> object:
        return alike.terms(endpoint, asked, VIEW)

    one = terms(review("one", {"devices": {"requests": [1]}}))
    assert one == terms(review("two", {"devices": {"requests": [1]}}))
    others = [
        terms(review("one", {"devices": {"requests": [2]}})),
        terms(review("one", {"devices": {"requests": [1]}}, "team-b")),
        terms(review("one", {"devices": {"requests": [1]}}), "/mutate/claims"),
        terms(replace(review("one", {"devices": {"requests": [1]}}), operation="UPDATE")),
    ]
    assert len({one, *others}) == 5


def test_nothing_is_like_what_was_judged_by_other_slices_but_other_claims_change_nothing() -> None:
    alike, asked = Alike(), review("one", {})
    before = alike.terms("/validate/claims", asked, VIEW)
    assert alike.terms("/validate/claims", asked, replace(VIEW, claims={})) == before
    assert alike.terms("/validate/claims", asked, replace(VIEW, slices=dict(VIEW.slices))) != before


def test_a_spec_that_is_nested_too_deeply_is_like_nothing() -> None:
    spec: Any = {}
    for _ in range(9_000):
        spec = [spec]
    assert Alike().terms("/validate/claims", review("deep", spec), VIEW) is None


def test_integers_of_any_size_have_terms() -> None:
    assert Alike().terms("/validate/claims", review("large", {"count": 10**40}), VIEW) is not None


@pytest.mark.parametrize("spec", [[0] * 20_000, {str(key): [0] * 100 for key in range(200)}], ids=["wide", "tall"])
def test_a_spec_of_which_to_keep_the_terms_would_hold_others_up_is_like_nothing(spec: Any) -> None:
    assert Alike().terms("/validate/claims", review("large", spec), VIEW) is None


def test_a_spec_of_32_requests_with_32_selectors_each_has_terms() -> None:
    selectors = [{"cel": {"expression": "device.driver == 'gpu.nvidia.com'"}}] * 32
    requests = [{"name": str(number), "exactly": {"selectors": selectors}} for number in range(32)]
    assert Alike().terms("/validate/claims", review("full", {"devices": {"requests": requests}}), VIEW) is not None
