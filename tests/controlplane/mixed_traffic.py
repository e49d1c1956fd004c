"""Users who do all that users do, each by his own chances: create, ask in vain, ask only, and delete again."""

import json
from collections import Counter, deque
from collections.abc import Mapping
from functools import partial
from http.client import HTTPSConnection
from random import Random
from typing import Any

from tests.controlplane.api import Json, path_of
from tests.controlplane.cluster import ControlPlane
from tests.controlplane.load import Load
from tests.controlplane.objects import (
    CLAIM_POLICIES,
    CLAIMS,
    GPU_DRIVER,
    PODS,
    TEMPLATES,
    make_claim_object,
    make_exact_request,
    make_pod,
    make_template,
)

DEPLOYMENTS = "apps/v1/deployments"
LEGACY = "nvidia.com/gpu"
MOST_KEPT = 10
"""How much a user has at a time."""
KINDS = 10
"""How many kinds of requests there are."""
BUSY = ("failed calling webhook", "503")
"""Of an answer that the API server gives where a replica sheds load, or a quota's books are not open yet."""


class User:
    """Every turn is one request to the API server; it returns what went wrong, empty where all is as it must be."""

    def __init__(self, number: int, namespace: str, connection: HTTPSConnection, headers: Mapping[str, str]) -> None:
        self.outcomes: Counter[str] = Counter()
        self._namespace = namespace
        self._connection = connection
        self._headers = dict(headers)
        self._random = Random(number)
        self._name = f"user-{number}"
        self._made = 0
        self._kept: deque[str] = deque()
        self._turns = {
            self._claim: 4,
            self._misspelt_claim: 2,
            self._negative_claim: 1,
            self._dry_run: 2,
            self._template: 1,
            self._pod: 2,
            self._legacy_pod: 2,
            self._deployment: 1,
            self._broken_policy: 1,
            self._delete: 6,
        }

    def turn(self) -> str:
        if len(self._kept) > MOST_KEPT:
            return self._delete()
        [chosen] = self._random.choices(list(self._turns), list(self._turns.values()))
        return chosen()

    def _claim(self) -> str:
        return self._create("claim", CLAIMS, self._wish(), or_refused="exceeded quota")

    def _dry_run(self) -> str:
        return self._create("dry run", CLAIMS, self._wish(), query="?dryRun=All", or_refused="exceeded quota")

    def _misspelt_claim(self) -> str:
        misspelt = make_exact_request(1, GPU_DRIVER, f"device.attributes['{GPU_DRIVER}'].productname == 'x'")
        claim = make_claim_object(self._namespace, self._new_name(), misspelt)
        return self._create("misspelt claim", CLAIMS, claim, refused="selector-unknown-attribute")

    def _negative_claim(self) -> str:
        request = make_exact_request()
        request["exactly"]["capacity"] = {"requests": {"memory": "-1"}}
        claim = make_claim_object(self._namespace, self._new_name(), request)
        return self._create("negative claim", CLAIMS, claim, refused="request-capacity-negative")

    def _template(self) -> str:
        template = make_template(self._namespace, self._new_name(), make_exact_request(self._random.randint(1, 2)))
        return self._create("template", TEMPLATES, template)

    def _pod(self) -> str:
        return self._create("pod", PODS, make_pod(self._namespace, self._new_name(), "shared"))

    def _legacy_pod(self) -> str:
        limits = {LEGACY.replace("/", "__").replace(".", "_"): str(self._random.randint(1, 2))}
        pod = make_pod(self._namespace, self._new_name(), **limits)
        return self._create("legacy pod", PODS, pod)

    def _deployment(self) -> str:
        pod = make_pod(self._namespace, "x", "shared")
        labels = {"app": "x"}
        template = {"metadata": {"labels": labels}, "spec": pod["spec"]}
        deployment = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"namespace": self._namespace, "name": self._new_name()},
            "spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": template},
        }
        return self._create("deployment", DEPLOYMENTS, deployment)

    def _broken_policy(self) -> str:
        policy = make_policy(self._new_name(), "claim.requests.sise() < 9", "m")
        return self._create("broken policy", CLAIM_POLICIES, policy, refused="did you mean `size`")

    def _delete(self) -> str:
        if not self._kept:
            return ""
        said = self._ask("DELETE", self._kept.popleft(), {"gracePeriodSeconds": 0})
        return self._judged("delete", said)

    def _wish(self) -> Json:
        return make_claim_object(self._namespace, self._new_name(), make_exact_request(self._random.randint(1, 3)))

    def _new_name(self) -> str:
        self._made += 1
        return f"{self._name}-{self._made}"

    def _create(
        self, what: str, resource: str, manifest: Json, *, query: str = "", refused: str = "", or_refused: str = ""
    ) -> str:
        collection = path_of(resource, manifest["metadata"].get("namespace"))
        said = self._ask("POST", collection + query, manifest)
        if not said and not query:
            self._kept.append(f"{collection}/{manifest['metadata']['name']}")
        return self._judged(what, said, refused, or_refused)

    def _judged(self, what: str, said: str, refused: str = "", or_refused: str = "") -> str:
        """Return nothing where the answer is one of those that may come."""
        if all(word in said for word in BUSY):
            self.outcomes[f"{what}: busy"] += 1
            return ""
        if refused and refused not in said:
            return f"{what} must be refused: {said or 'it was not'}"
        if said and not refused and (not or_refused or or_refused not in said):
            return f"{what}: {said}"
        self.outcomes[f"{what}: {'refused' if said else 'done'}"] += 1
        return ""

    def _ask(self, method: str, path: str, body: Any) -> str:
        """Return the whole of a refusal, causes included."""
        self._connection.request(method, path, json.dumps(body), self._headers)
        answer = self._connection.getresponse()
        text = answer.read().decode()
        return text if answer.status >= 400 else ""


class MixedTraffic:
    """So many users at once, until the end of the block `load.running()`."""

    def __init__(self, cluster: ControlPlane, namespace: str, users: int) -> None:
        self._users: list[User] = []
        self.load = Load([partial(self._use, number) for number in range(users)])
        self._cluster = cluster
        self._namespace = namespace

    def _use(self, number: int) -> None:
        with self._cluster.connection() as (connection, headers):
            user = User(number, self._namespace, connection, headers)
            self._users.append(user)
            while not self.load.over.wait(0.02):
                self.load.count(user.turn())

    @property
    def outcomes(self) -> Counter[str]:
        """Return what came of all turns, once they are over."""
        return sum((user.outcomes for user in self._users), Counter[str]())


def make_policy(name: str, expression: str, message: str) -> Json:
    """Return a ClaimPolicy on claims."""
    spec = {"match": {"resources": ["claims"]}, "validations": [{"expression": expression, "message": message}]}
    return {"apiVersion": "drawbridge.dev/v1alpha1", "kind": "ClaimPolicy", "metadata": {"name": name}, "spec": spec}
