"""The workflow that releases: what it may do, what it runs, and what it makes."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.support.golang import REPOSITORY

WORKFLOW = REPOSITORY / ".github" / "workflows" / "release.yaml"
RELEASE: dict[Any, Any] = yaml.safe_load(WORKFLOW.read_text())
JOBS: dict[str, dict[str, Any]] = RELEASE["jobs"]


def _steps() -> Iterator[dict[str, Any]]:
    for job in JOBS.values():
        yield from job["steps"]


def _step(job: str, action: str) -> dict[str, Any]:
    steps: list[dict[str, Any]] = JOBS[job]["steps"]
    [found] = [step for step in steps if step.get("uses", "").startswith(f"{action}@")]
    return found


def test_each_job_may_write_no_more_than_what_it_makes() -> None:
    assert RELEASE["permissions"] == {"contents": "read"}
    attesting = {"id-token": "write", "attestations": "write"}
    assert {name: job.get("permissions") for name, job in JOBS.items()} == {
        "check": None,
        "image": {"contents": "read", "packages": "write", **attesting},
        "files": {"contents": "write", **attesting},
    }
    checkouts = [step for step in _steps() if step.get("uses", "").startswith("actions/checkout@")]
    assert [step["with"]["persist-credentials"] for step in checkouts] == [False] * len(JOBS)


def test_nothing_is_released_that_was_not_checked() -> None:
    """YAML 1.1 reads the word `on` as true."""
    assert RELEASE[True] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}
    assert (JOBS["image"]["needs"], JOBS["files"]["needs"]) == ("check", "image")
    assert ".ci/run" in [step.get("run") for step in JOBS["check"]["steps"]]
    assert (REPOSITORY / ".ci" / "run").exists()


def test_commands_are_there_and_take_nothing_from_outside_into_a_shell() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    runs = [step["run"] for step in _steps() if "run" in step]
    assert {name for run in runs for name in re.findall(r"\bmake ([a-z-]+)", run)} == {"audit", "dist"} <= targets
    assert [run for run in runs if "${{" in run] == []


def test_actions_are_pinned_to_a_version() -> None:
    uses = [step["uses"] for step in _steps() if "uses" in step]
    assert uses
    assert [each for each in uses if not re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|[0-9a-f]{40})", each)] == []


def test_the_image_is_for_both_platforms_on_a_base_by_digest_with_sbom_and_provenance() -> None:
    build = _step("image", "docker/build-push-action")["with"]
    assert build["file"] == "deploy/Dockerfile"
    assert build["platforms"] == "linux/amd64,linux/arm64"
    assert _step("image", "docker/setup-qemu-action")
    assert (build["sbom"], build["provenance"], build["push"]) == (True, "mode=max", True)
    assert build["build-args"] == "BASE=${{ steps.base.outputs.name }}"
    [resolving] = [step["run"] for step in JOBS["image"]["steps"] if step.get("id") == "base"]
    assert ".Manifest.Digest" in resolving
    attested = _step("image", "actions/attest-build-provenance")["with"]
    assert attested["subject-digest"] == "${{ steps.build.outputs.digest }}"


def test_the_chart_finds_the_image_by_its_version() -> None:
    """The tag of the repository has a `v` before it, the chart's appVersion has none."""
    assert _step("image", "docker/build-push-action")["with"]["tags"].endswith(":${{ steps.image.outputs.tag }}")
    [tagging] = [step["run"] for step in JOBS["image"]["steps"] if step.get("id") == "image"]
    assert "tag=${GITHUB_REF_NAME#v}" in tagging


def test_where_the_image_goes_is_the_repository_s_own_choice() -> None:
    assert _step("image", "docker/login-action")["with"]["registry"] == "${{ vars.IMAGE_REGISTRY }}"
    assert not re.search(r"\b[\w-]+\.(io|com|dev|org)\b", WORKFLOW.read_text())
