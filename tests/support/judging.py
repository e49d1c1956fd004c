"""Admission over a folder of manifests without a server: reviews in, the bytes of answers out."""

import asyncio
import base64
import io
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from webhook.bootstrap.admission import Admission, LeftToOthers
from webhook.bootstrap.offline import rulebook_of
from webhook.bootstrap.sources import FolderSource
from webhook.core.patch import Operation, apply
from webhook.kube.folder import Assumptions, Folder
from webhook.kube.sqlite_ledger import SqliteLedger
from webhook.server.app import MUTATE_CLAIMS, MUTATE_PODS, VALIDATE_CLAIMS, VALIDATE_PODS, VALIDATE_WORKLOADS
from webhook.server.limits import Budget
from webhook.server.log import LineSink, make_log
from webhook.server.wire import parse_review, render_answer
from webhook.server.work import Work
from webhook.settings import read_settings

Json = dict[str, Any]
CLAIM_PHASES = (MUTATE_CLAIMS, VALIDATE_CLAIMS)
PHASES = {
    "ResourceClaim": CLAIM_PHASES,
    "ResourceClaimTemplate": CLAIM_PHASES,
    "DeviceClass": CLAIM_PHASES,
    "Pod": (MUTATE_PODS, VALIDATE_PODS),
    **dict.fromkeys(("Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob"), (VALIDATE_WORKLOADS,)),
}


class Judge:
    """What a standalone server over a folder answers, one object after the other."""

    def __init__(self, admission: Admission) -> None:
        self._handlers = admission.handlers()

    def responses(self, manifest: Json) -> list[Json]:
        """Return the responses to a CREATE in the order of the phases; a refusal is the last."""
        answers = []
        for endpoint in PHASES[manifest["kind"]]:
            response = asyncio.run(self._response(endpoint, manifest))
            answers.append(response)
            if not response["allowed"]:
                break
            manifest = patched(manifest, response)
        return answers

    async def _response(self, endpoint: str, manifest: Json) -> Json:
        review = parse_review(json.dumps(_review(manifest)).encode())
        decision = await self._handlers[endpoint](review, Budget(time.monotonic() + 60))
        body = render_answer(review, decision, mutating=endpoint.startswith("/mutate/"))
        response: Json = json.loads(body)["response"]
        return response


def patched(manifest: Json, response: Json) -> Json:
    """Return the object as a response's patch leaves it."""
    if "patch" not in response:
        return manifest
    operations = json.loads(base64.b64decode(response["patch"]))
    result: Json = apply(manifest, [Operation(o["op"], o["path"], o.get("value")) for o in operations])
    return result


@contextmanager
def judge_over(folders: Sequence[Path], **settings: Any) -> Iterator[Judge]:
    """A judge over folders, with a ledger in memory and the settings given."""
    with admission_over(folders, **settings) as admission:
        yield Judge(admission)


@contextmanager
def admission_over(folders: Sequence[Path], **settings: Any) -> Iterator[Admission]:
    """Admission over folders, with a ledger in memory and the settings given."""
    given = read_settings({**settings, "cluster": tuple(folders)}, None, {})
    sink, work, ledger = LineSink(io.StringIO()), Work(1), SqliteLedger(None)
    try:
        assumptions = Assumptions(given.kubernetes_version, given.feature_gates, given.namespace, given.drivers)
        source = FolderSource(Folder(given.cluster, assumptions), make_log(sink), ledger.observe)
        unknown: list[str] = []
        templates = LeftToOthers(are_made=False)
        yield Admission(source, ledger, rulebook_of(given), work, templates, unknown.append, _now, looks_again=0)
    finally:
        work.close()
        sink.close()


def _review(manifest: Json) -> Json:
    group, _, version = manifest["apiVersion"].rpartition("/")
    metadata = manifest["metadata"]
    kind = manifest["kind"]
    uid = f"uid-of-{metadata['name']}"
    request = {
        "uid": f"review-of-{metadata['name']}",
        "kind": {"group": group, "version": version, "kind": kind},
        "resource": {"group": group, "version": version, "resource": f"{kind.lower()}s"},
        "name": metadata["name"],
        "namespace": metadata.get("namespace", ""),
        "operation": "CREATE",
        "userInfo": {"username": "ann"},
        "object": {**manifest, "metadata": {**metadata, "uid": uid}},
    }
    return {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request}


def _now() -> datetime:
    return datetime(2026, 11, 21, tzinfo=UTC)
