"""Where policies are compiled that have just changed, before anybody judged by them."""

import asyncio
import threading
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from tests.support.build import claim_object, request
from tests.support.judging import CLAIM_PHASES, admission_over
from tests.support.policies import policy_object
from tests.support.standalone import write
from webhook.bootstrap.policing import PolicyDesk
from webhook.core.review import Resource, Review
from webhook.server.limits import Budget

KIND = Resource("resource.k8s.io", "v1", "ResourceClaim")


@pytest.mark.parametrize("endpoint", CLAIM_PHASES)
def test_policies_that_are_new_are_compiled_on_a_thread(tmp_path: Path, endpoint: str) -> None:
    write(tmp_path, "policy.yaml", policy_object("some", match={"resources": ["claims"]}))
    compiled_on = []

    def today() -> date:  # asked as soon as they are compiled
        compiled_on.append(threading.get_ident())
        return date(2026, 11, 21)

    review = Review("uid", "CREATE", KIND, KIND, namespace="team-a", object=claim_object(request("gpu")))
    with admission_over([tmp_path]) as admission:
        handler = replace(admission, policies=PolicyDesk(today)).handlers()[endpoint]

        async def ask() -> None:
            await handler(review, Budget(float("inf")))

        asyncio.run(ask())
    assert len(compiled_on) == 1
    assert threading.get_ident() not in compiled_on
