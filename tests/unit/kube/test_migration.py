"""Manifests are rewritten as text: every comment stays, and every line that a rewrite does not own."""

import difflib

import yaml

from tests.support.rewriting import shipped
from webhook.core.cluster import ClusterView
from webhook.core.mappings import parse_mapping
from webhook.kube.migration import Migration, Migrator

VIEW = ClusterView(mappings={"nvidia": parse_mapping(shipped("nvidia"))})

STATEFUL_SET = """\
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: "trainer"
  namespace: ml
  annotations: {team: ml}
spec:
  replicas: 0x2
  template:
    metadata:
      annotations:
        on: "yes"
    spec:
      nodeSelector:
        zone: west
      initContainers:
        - name: warm
          command: ["sh", "-c", 'echo "hi"']
          resources:
            limits:
              nvidia.com/gpu: 1
      containers:
        - resources:
            requests:
              cpu: 500m
              nvidia.com/gpu: '2'
            limits:
              nvidia.com/gpu: '2'
              memory: &memory 4Gi
          name: main
          env:
            - name: TEXT
              value: |
                # no comment
                  indented

                end
        - name: proxy
          resources: {limits: {memory: *memory}}
      terminationGracePeriodSeconds: 10
"""


def _migrate(text: str) -> Migration:
    return Migrator(VIEW, "default").migrate("a.yaml", text.encode())


def _commented(text: str) -> tuple[str, list[str]]:
    """Return the text with a comment behind each line and one above it, where YAML allows one."""
    lines, comments, literal = [], [], 0
    for number, line in enumerate(text.splitlines()):
        indent = len(line) - len(line.lstrip())
        if literal and (indent >= literal or not line):
            lines.append(line)
            continue
        literal = 0
        above, behind = f"# above {number}.", f"# behind {number}."
        lines.append(f"{' ' * indent}{above}")
        comments.append(above)
        if line.endswith("|"):
            literal = indent + 2
            lines.append(line)
        else:
            lines.append(f"{line}  {behind}")
            comments.append(behind)
    return "\n".join(lines) + "\n", comments


def test_every_comment_survives() -> None:
    text, comments = _commented(STATEFUL_SET)
    after = _migrate(text).after
    assert "drawbridge-" in after
    assert [comment for comment in comments if comment not in after] == []


def test_comments_change_nothing_about_the_result() -> None:
    plain = list(yaml.safe_load_all(_migrate(STATEFUL_SET).after))
    commented = list(yaml.safe_load_all(_migrate(_commented(STATEFUL_SET)[0]).after))
    assert plain == commented


def test_only_lines_of_the_rewrite_differ() -> None:
    after = _migrate(STATEFUL_SET).after.rpartition("---\n")[2]
    lines = [line[2:] for line in difflib.ndiff(STATEFUL_SET.splitlines(), after.splitlines()) if line[0] == "-"]
    assert [line.strip() for line in lines] == [
        "limits:",
        "nvidia.com/gpu: 1",
        "nvidia.com/gpu: '2'",
        "nvidia.com/gpu: '2'",
    ]


def test_what_is_left_empty_goes_and_what_was_empty_before_stays() -> None:
    text = STATEFUL_SET.replace("- name: proxy\n", "- name: proxy\n          securityContext: {}\n")
    *_, workload = yaml.safe_load_all(_migrate(text).after)
    spec = workload["spec"]["template"]["spec"]
    (init,), (main, proxy) = spec["initContainers"], spec["containers"]
    assert init["resources"] == {"claims": [{"name": "gpu"}]}
    assert main["resources"] == {
        "requests": {"cpu": "500m"},
        "limits": {"memory": "4Gi"},
        "claims": [{"name": "gpu"}],
    }
    assert proxy["securityContext"] == {}


def test_a_file_without_legacy_limits_keeps_every_byte() -> None:
    text = "\n\n# c\n---\n" + STATEFUL_SET.replace("nvidia.com/gpu", "cpu") + "---\n---\n# nothing\n...\n"
    assert _migrate(text).after == text


def test_windows_line_ends_stay() -> None:
    after = _migrate(STATEFUL_SET.replace("\n", "\r\n")).after
    assert "drawbridge-" in after
    assert after.count("\n") == after.count("\r\n")


def test_a_file_that_is_no_text_is_told() -> None:
    migration = Migrator(VIEW, "default").migrate("a.yaml", b"\xff\xfe")
    assert migration.problems
    assert migration.after == migration.before


def test_a_source_of_kustomize_gets_advice() -> None:
    text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [a.yaml]\n"
    migration = _migrate(text)
    assert migration.after == text
    assert "kubectl kustomize" in migration.problems[0].message
