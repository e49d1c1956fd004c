"""What a command loads: a check of one small file is to answer at once."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
# Loaded by `drawbridge serve` or by rules and reports that this check does not need; each takes 10 to 200 ms.
HEAVY = ("pydantic", "fastapi", "aiohttp", "kubernetes", "cryptography", "celpy", "lark", "rich", "structlog")
LOADED = "import sys\nfrom webhook.cli import main\ntry:\n    main()\nfinally:\n    print(*sys.modules)\n"


@pytest.mark.parametrize(
    ("claim", "counts"), [("good.yaml", "0 denied, 0 warned"), ("misspelt-attribute.yaml", "1 denied, 0 warned")]
)
def test_a_check_of_one_claim_loads_neither_a_server_nor_a_second_cel_engine(claim: str, counts: str) -> None:
    file, cluster = ROOT / "examples" / "claims" / claim, ROOT / "examples" / "cluster"
    command = [sys.executable, "-c", LOADED, "check", "--cluster", str(cluster), str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    *_, report, loaded = done.stdout.splitlines()
    assert report == f"1 object, {counts}"
    assert {name.partition(".")[0] for name in loaded.split()}.isdisjoint(HEAVY)
