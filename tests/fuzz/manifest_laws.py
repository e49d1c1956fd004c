"""What must hold of any bytes that are given to a command as a manifest."""

import json
from pathlib import Path
from zlib import crc32

from click.testing import CliRunner, Result

from tests.fuzz.review_changes import CLUSTER, EXAMPLES
from webhook.cli import main
from webhook.kube.manifests import read_documents

GOOD = str(EXAMPLES / "claims" / "good.yaml")


def hold_for_manifest(content: bytes, file: Path) -> None:
    """Fail unless `check`, and another command that its bytes choose, answer for the file; it is overwritten."""
    documents, problems = read_documents(str(file), content)
    for problem in problems:
        assert problem.line >= 1
        assert problem.message
    file.write_bytes(content)
    report = json.loads(_run("check", "-o", "json", str(file)).stdout)
    assert report["summary"]["objects"] == len(documents)
    for finding in report["findings"]:
        assert finding["line"] >= 1
        assert finding["column"] >= 1
        assert finding["message"].splitlines()[0]
    match crc32(content) % 8:
        case 0:
            _run("check", "--cluster", str(CLUSTER), str(file))
        case 1:
            _run("check", "--cluster", str(file), GOOD)
        case 2:
            _run("check", "--diff", str(file))
        case 3:
            _run("check", "-o", "sarif", str(file))
        case 4:
            _run("cel", "--device", str(file), "device.driver == 'gpu.nvidia.com'", expected=(0, 1, 2))
        case 5 | 6:
            _is_migrated(str(file), readable=not problems)
        case _:
            _run("check", str(file))


def _is_migrated(file: str, *, readable: bool) -> None:
    """What is written can be read where that which was read could be."""
    written = _run("migrate", file).stdout
    if readable:
        assert read_documents("migrated", written.encode("utf-8", "surrogatepass"))[1] == (), written


def _run(*arguments: str, expected: tuple[int, ...] = (0, 1)) -> Result:
    done = CliRunner().invoke(main, arguments)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code in expected, (arguments, done.output)
    return done
