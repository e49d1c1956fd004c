"""What the program cannot do, by its own text: start programs, fetch addresses of others, match patterns slowly."""

import ast
import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
OWN = sorted(file for folder in ("webhook", "certs") for file in (ROOT / folder).rglob("*.py"))

STARTING = ("subprocess", "multiprocessing", "pty")
OF_OS = ("exec", "fork", "popen", "posix_spawn", "spawn", "startfile", "system")
MAY_START = re.compile(rf"\b(?:{'|'.join(STARTING)})\b|\bos\.(?:{'|'.join(OF_OS)})|subprocess_")
OF_THE_LOOP = ("create_subprocess_exec", "create_subprocess_shell", "subprocess_exec", "subprocess_shell")
# Libraries of `serve` whose text starts programs. Of the kubernetes package we use the configuration alone: a
# kubeconfig may name a program that fetches credentials, as kubectl's may; a pod has none. What uvicorn and uvloop have
# for several workers is not called.
LIBRARIES_THAT_START = {
    "kubernetes.client.api_client",
    "kubernetes.client.configuration",
    "kubernetes.config.exec_provider",
    "kubernetes.config.kube_config",
    "uvicorn._subprocess",
    "uvicorn.supervisors.multiprocess",
    "uvloop.includes",
}
LOADED = """
import sys
import webhook.cli.serve, webhook.bootstrap.serving, webhook.cel.referee, celpy
from kubernetes import client, config
for name, module in sorted(sys.modules.items()):
    print(name, getattr(module, "__file__", None) or "")
"""

# Made of what stands in the same file, or, for the schemas of drivers, in policies/drivers.
PATTERNS_OF_OUR_OWN = {
    "webhook/cel/functions/named_formats.py",
    "webhook/cel/lexer.py",
    "webhook/core/json_schema.py",
}

CLIENTS = ("aiohttp", "ftplib", "http.client", "httpx", "requests", "smtplib", "urllib.request", "urllib3")
CONNECTING = ("create_connection", "create_datagram_endpoint", "open_connection", "open_unix_connection", "urlopen")


@cache
def tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text())


@cache
def names(file: Path) -> frozenset[str]:
    """Return all that a file imports, and every attribute that it reads, with dots."""
    return frozenset(_names(tree(file)))


def _names(whole: ast.Module) -> Iterator[str]:
    for node in ast.walk(whole):
        match node:
            case ast.Import(names=aliases):
                yield from (alias.name for alias in aliases)
            case ast.ImportFrom(module=str(module), names=aliases):
                yield from (f"{module}.{alias.name}" for alias in aliases)
            case ast.Attribute(value=ast.Name(id=owner), attr=attribute):
                yield f"{owner}.{attribute}"
            case ast.Attribute(attr=attribute):
                yield f".{attribute}"
            case _:
                pass


def starts_programs(name: str) -> bool:
    owner, _, member = name.rpartition(".")
    if name.partition(".")[0] in STARTING:
        return True
    return (owner == "os" and member.startswith(OF_OS)) or member in OF_THE_LOOP


def test_no_file_of_ours_starts_programs_or_runs_text() -> None:
    assert [(str(file), name) for file in OWN for name in names(file) if starts_programs(name)] == []
    called = {
        (node.func.id, str(file))
        for file in OWN
        for node in ast.walk(tree(file))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert len(called) > 1000
    assert [where for where in called if where[0] in ("compile", "eval", "exec", "__import__")] == []


def test_what_serve_loads_starts_programs_in_known_places_only() -> None:
    standard, installed = (sysconfig.get_paths()[place] for place in ("stdlib", "purelib"))
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert "webhook.server.app" in loaded
    found = {
        name
        for name, place in loaded.items()
        if place.endswith(".py") and (place.startswith(installed) or not place.startswith(standard))
        if MAY_START.search(text := Path(place).read_text()) and any(map(starts_programs, _names(ast.parse(text))))
    }
    assert found <= LIBRARIES_THAT_START


def test_t_23_only_the_client_of_the_api_server_speaks_http_to_others() -> None:
    """Certificates are looked at where they are served, and never believed; traces go where the operator says."""
    users = {
        (str(file.relative_to(ROOT)), name)
        for file in OWN
        for name in names(file)
        if name.startswith(tuple(f"{client}." for client in CLIENTS)) or name in CLIENTS
        if not name.endswith((".getproxies", ".proxy_bypass"))
    }
    assert {file for file, _ in users} == {"webhook/kube/client.py"}
    dialling = {str(file.relative_to(ROOT)) for file in OWN for name in names(file) if name.endswith(CONNECTING)}
    assert dialling == {"certs/dial.py"}
    exporting = {
        str(file.relative_to(ROOT)) for file in OWN if any(name.startswith("opentelemetry") for name in names(file))
    }
    assert exporting <= {"webhook/server/tracing.py"}


def test_t_23_the_client_of_the_api_server_follows_nobody_elsewhere() -> None:
    keywords = {
        (keyword.arg, ast.unparse(keyword.value))
        for node in ast.walk(tree(ROOT / "webhook" / "kube" / "client.py"))
        if isinstance(node, ast.Call)
        for keyword in node.keywords
    }
    assert ("allow_redirects", "False") in keywords
    assert "trust_env" not in {name for name, _ in keywords}


def test_t_03_patterns_of_python_are_never_made_of_what_users_write() -> None:
    """Python's own engine can be made to run for ever; what users write goes to RE2."""
    computed = {
        str(file.relative_to(ROOT)) for file in OWN for pattern in _patterns(tree(file)) if _is_computed(pattern)
    }
    assert computed == PATTERNS_OF_OUR_OWN


def _patterns(module: ast.Module) -> Iterator[ast.expr]:
    """Yield what is given to functions of `re` as a pattern."""
    for node in ast.walk(module):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id="re"), attr=called), args=[pattern, *_]):
                if called != "escape":
                    yield pattern
            case _:
                pass


def _is_computed(pattern: ast.expr) -> bool:
    """Return whether a pattern depends on more than literals and module constants."""
    match pattern:
        case ast.Constant():
            return False
        case ast.Name(id=name):
            return not name.isupper()
        case ast.JoinedStr(values=parts):
            return any(map(_is_computed, parts))
        case ast.FormattedValue(value=part):
            return _is_computed(part)
        case ast.BinOp(left=left, right=right) | ast.IfExp(body=left, orelse=right):
            return _is_computed(left) or _is_computed(right)
        case _:
            return True
