"""`drawbridge serve --cluster DIR` as a process of its own, asked over TLS that is verified."""

import ssl
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml

from tests.controlplane.drawbridge import ServeProcess
from tests.controlplane.programs import Programs
from tests.support.serving import Answer, post

Json = dict[str, Any]


def write(folder: Path, name: str, *objects: Json) -> Path:
    file = folder / name
    draft = folder / f".{name}"
    draft.write_text(yaml.safe_dump_all(objects))
    return draft.rename(file)


class Standalone:
    """One server over a folder, asked over TLS that is verified."""

    def __init__(self, programs: Programs, cluster: Path, tmp_path: Path, *options: str | Path) -> None:
        certificates = tmp_path / "certs"
        given = ["--cluster", cluster, "--ledger", tmp_path / "ledger.sqlite", "--drain-seconds", "0", *options]
        self.process = ServeProcess(programs, given, cert_dir=certificates)
        self._port = self.process.port  # known once it listens, when the certificates are there
        self._tls = ssl.create_default_context(cafile=str(certificates / "ca.crt"))

    def ask(
        self,
        endpoint: str,
        manifest: Json,
        operation: str = "CREATE",
        *,
        dry_run: bool = False,
        old: Json | None = None,
    ) -> Json:
        answer = self.answer(endpoint, review(manifest, operation, dry_run=dry_run, old=old))
        assert answer.status == 200, answer.body
        return answer.response

    def answer(self, endpoint: str, asked: Json) -> Answer:
        """Return what comes back of a review, whatever its status."""
        connection = HTTPSConnection("127.0.0.1", self._port, context=self._tls, timeout=20)
        try:
            return post(connection, endpoint, asked)
        finally:
            connection.close()

    def admits(self, claim: Json, **how: Any) -> bool:
        return bool(self.ask("/validate/claims", claim, **how)["allowed"])


def review(manifest: Json, operation: str, *, dry_run: bool, old: Json | None = None) -> Json:
    """Return the AdmissionReview for an operation on an object of namespace team-a."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    named = {"group": group, "version": version}
    inner = (
        {"oldObject": manifest}
        if operation == "DELETE"
        else {"object": manifest, **({"oldObject": old} if old else {})}
    )
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": str(uuid4()),
            "kind": {**named, "kind": manifest["kind"]},
            "resource": {**named, "resource": f"{manifest['kind'].lower()}s"},
            "name": manifest["metadata"]["name"],
            "namespace": "team-a",
            "operation": operation,
            "dryRun": dry_run,
            **inner,
        },
    }
