"""`drawbridge policies list`, `show`, `install` and `export`, as a person calls them."""

from pathlib import Path

import yaml
from click.testing import CliRunner, Result

from tests.support.policies import policy_object
from webhook.cli import main
from webhook.kube.pack import shipped_policies


def _policies(*arguments: str, input_: str = "") -> Result:
    return CliRunner().invoke(main, ["policies", *arguments], catch_exceptions=False, input=input_)


def test_every_shipped_policy_is_listed_with_what_it_is_for() -> None:
    heading, *lines = _policies("list").stdout.splitlines()
    assert heading.split() == ["NAME", "LOOKS", "AT", "WHAT"]
    assert [line.split()[0] for line in lines] == list(shipped_policies())
    assert all(line.endswith(".") for line in lines)


def test_a_policy_is_shown_with_its_manifest() -> None:
    shown = _policies("show", "device-limits").stdout
    assert shown.startswith("# device-limits\n")
    (manifest,) = yaml.safe_load_all(shown.rpartition("```yaml\n")[2].removesuffix("```\n"))
    assert manifest["metadata"]["name"] == "device-limits"


def test_what_is_installed_reads_as_it_is_shipped_but_for_its_mode() -> None:
    names = list(shipped_policies())
    plain = list(yaml.safe_load_all(_policies("install", *names).stdout))
    assert [manifest["metadata"]["name"] for manifest in plain] == names
    warned = list(yaml.safe_load_all(_policies("install", "--mode", "Warn", *names).stdout))
    assert warned == [{**manifest, "spec": {**manifest["spec"], "mode": "Warn"}} for manifest in plain]


def test_an_unknown_policy_is_refused_with_what_was_meant() -> None:
    for command in (["show", "device-limit"], ["install", "device-limit"], ["export", "--vap", "device-limit"]):
        done = _policies(*command)
        assert done.exit_code == 2
        assert "did you mean 'device-limits'?" in done.stderr


def test_only_a_live_cluster_can_be_installed_to() -> None:
    done = _policies("install", "--apply", "device-limits")
    assert (done.exit_code, done.stderr) == (2, "drawbridge: --apply needs a live cluster: --kubeconfig FILE\n")


def test_what_cannot_be_exported_is_told_beside_what_can(tmp_path: Path) -> None:
    file = tmp_path / "policies.yaml"
    plain = policy_object("plain", match={"resources": ["claims"]}, validations=[{"expression": "object != null"}])
    own = policy_object("own", validations=[{"expression": "claim.fromTemplate"}])
    file.write_text(yaml.safe_dump_all([plain, own]))
    done = _policies("export", "--vap", str(file))
    assert done.exit_code == 1
    assert [one["metadata"]["name"] for one in yaml.safe_load_all(done.stdout)] == ["plain", "plain"]
    assert done.stderr == (
        "drawbridge: policy 'own' is not exported:\n"
        "  spec.validations[0].expression: only Drawbridge has `claim`\n"
        "drawbridge: 1 of 2 policies exported\n"
    )


def test_policies_of_a_folder_a_stream_and_the_cluster_are_exported(tmp_path: Path) -> None:
    text = yaml.safe_dump(policy_object("plain", match={"resources": ["pods"]}, validations=[{"expression": "true"}]))
    (tmp_path / "policy.yaml").write_text(text)
    by_folder = _policies("export", "--vap", str(tmp_path))
    assert by_folder.exit_code == 0
    assert _policies("export", "--vap", "-", input_=text).stdout == by_folder.stdout
    assert _policies("export", "--vap", "--cluster", str(tmp_path)).stdout == by_folder.stdout


def test_two_policies_of_one_name_are_not_exported_over_each_other(tmp_path: Path) -> None:
    one = policy_object("a", match={"resources": ["claims", "pods"]}, validations=[{"expression": "true"}])
    other = policy_object("a-pods", match={"resources": ["claims"]}, validations=[{"expression": "true"}])
    (tmp_path / "policies.yaml").write_text(yaml.safe_dump_all([one, other]))
    done = _policies("export", "--vap", str(tmp_path))
    assert done.exit_code == 1
    assert "metadata.name: another policy is exported as 'a-pods' already: rename one of them" in done.stderr


def test_a_file_without_policies_is_a_wrong_call(tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text("{apiVersion: v1, kind: Namespace, metadata: {name: a}}")
    done = _policies("export", "--vap", str(tmp_path))
    assert (done.exit_code, done.stderr) == (2, f"drawbridge: '{tmp_path}' holds no ClaimPolicy\n")
