"""A small JSON client of the Kubernetes API; resources are named "v1/pods", "resource.k8s.io/v1/resourceclaims"."""

import http.client
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

Json = dict[str, Any]

MERGE_PATCH = "application/merge-patch+json"


class ApiError(Exception):
    """An answer of 400 or more; `status` is the API's Status object."""

    def __init__(self, code: int, status: Json) -> None:
        super().__init__(f"{code}: {status.get('message') or status}")
        self.code = code
        self.status = status

    @property
    def message(self) -> str:
        """What the user is told."""
        return str(self.status.get("message", ""))


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with the texts of its Warning headers."""

    code: int
    body: Any
    warnings: tuple[str, ...]


def path_of(resource: str, namespace: str | None = None, name: str | None = None, subresource: str = "") -> str:
    """The path of a collection, an object or a subresource."""
    version, _, plural = resource.rpartition("/")
    parts = ["/apis" if "/" in version else "/api", version]
    parts += ["namespaces", namespace] if namespace else []
    parts += [plural, *filter(None, (name, subresource))]
    return "/".join(parts)


class Api:
    """The API as one user sees it. Each call is a connection of its own, so that threads may share this."""

    def __init__(self, address: str, token: str, tls: ssl.SSLContext) -> None:
        self._address = address
        self._token = token
        self._tls = tls

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        seconds: float = 60,
    ) -> Response:
        """One call, `body` an object or the bytes of one; ApiError for a refusal, OSError or HTTPException for none."""
        connection = http.client.HTTPSConnection(self._address, timeout=seconds, context=self._tls)
        try:
            headers = {
                "Authorization": f"Bearer {self._token}",
                "Content-Type": content_type,
                "Accept": accept,
            }
            data = body if body is None or isinstance(body, bytes) else json.dumps(body)
            connection.request(method, f"{path}?{urlencode(query)}" if query else path, data, headers)
            reply = connection.getresponse()
            text = reply.read()
        finally:
            connection.close()
        parsed = json.loads(text) if reply.headers.get_content_type() == "application/json" else text.decode()
        if reply.status >= 400:
            raise ApiError(reply.status, parsed if isinstance(parsed, dict) else {"message": parsed})
        return Response(reply.status, parsed, _warnings(reply))

    def create(self, resource: str, manifest: Json, *, dry_run: bool = False) -> Json:
        """Create an object, in the namespace that it names, and return it as stored."""
        namespace = manifest["metadata"].get("namespace")
        query = {"dryRun": "All"} if dry_run else None
        created: Json = self.send("POST", path_of(resource, namespace), manifest, query=query).body
        return created

    def get(self, resource: str, name: str, namespace: str | None = None) -> Json:
        """One object; ApiError 404 if there is none."""
        found: Json = self.send("GET", path_of(resource, namespace, name)).body
        return found

    def find(self, resource: str, name: str, namespace: str | None = None) -> Json | None:
        """One object, or None."""
        try:
            return self.get(resource, name, namespace)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    def list_all(self, resource: str, namespace: str | None = None, labels: str = "") -> list[Json]:
        """All objects (of a namespace) that the label selector accepts."""
        query = {"labelSelector": labels} if labels else None
        items: list[Json] = self.send("GET", path_of(resource, namespace), query=query).body["items"]
        return items

    def patch(
        self, resource: str, name: str, change: Json, namespace: str | None = None, subresource: str = ""
    ) -> Json:
        """Merge a change into an object or its subresource."""
        path = path_of(resource, namespace, name, subresource)
        patched: Json = self.send("PATCH", path, change, content_type=MERGE_PATCH).body
        return patched

    def replace(self, resource: str, manifest: Json, subresource: str = "") -> Json:
        """PUT an object or its subresource."""
        metadata = manifest["metadata"]
        path = path_of(resource, metadata.get("namespace"), metadata["name"], subresource)
        replaced: Json = self.send("PUT", path, manifest).body
        return replaced

    def delete(self, resource: str, name: str, namespace: str | None = None, grace_seconds: int | None = None) -> None:
        """Delete an object, if it is there; 0 seconds end a pod at once, as no kubelet will."""
        options = {} if grace_seconds is None else {"gracePeriodSeconds": grace_seconds}
        try:
            self.send("DELETE", path_of(resource, namespace, name), options)
        except ApiError as error:
            if error.code != 404:
                raise

    @contextmanager
    def temporarily(self, resource: str, manifest: Json) -> Iterator[Json]:
        """Create an object for the length of a with block."""
        created = self.create(resource, manifest)
        try:
            yield created
        finally:
            self.delete(resource, created["metadata"]["name"], created["metadata"].get("namespace"))


def _warnings(reply: http.client.HTTPResponse) -> tuple[str, ...]:
    """The texts of `Warning: 299 - "..."` headers (RFC 7234, section 5.5)."""
    found = [re.fullmatch(r'299 \S+ "(.*)"', header, re.DOTALL) for header in reply.headers.get_all("Warning") or ()]
    return tuple(re.sub(r"\\(.)", r"\1", match[1]) for match in found if match)
