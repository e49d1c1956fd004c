"""`make demo` shows four real decisions; this is what a newcomer sees first."""

import re
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).resolve().parents[2] / "examples" / "demo.py"


def _told() -> list[str]:
    """Return what the demo prints, cut at its numbered titles."""
    done = subprocess.run([sys.executable, str(DEMO)], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return re.split(r"^\d\. ", done.stdout, flags=re.MULTILINE)


def test_the_demo_shows_an_allowed_a_misspelt_a_too_large_and_a_rewritten_object() -> None:
    start, good, misspelt, too_large, legacy = _told()
    assert re.search(r"drawbridge: serving on https://\S+, health on http://\S+", start)

    assert "   allowed\n" in good
    assert "denied" not in good

    assert "denied (422 Invalid)" in misspelt
    assert "publishes no attribute `productname` [selector-unknown-attribute]" in misspelt
    shown = re.search(r"^( +\| .*)productname .*\n( +\| +)\^{11}$", misspelt, re.MULTILINE)
    assert shown
    assert len(shown[1]) == len(shown[2]), "the caret stands under the name"
    assert "did you mean `productName`?" in misspelt

    assert "denied (403 Forbidden)" in too_large
    assert "[quota-exceeded]" in too_large
    assert "requested: 81559Mi, used: 275013Mi, limited: 320Gi" in too_large

    assert "   allowed\n" in legacy
    assert "   -        nvidia.com/gpu: '2'\n" in legacy
    found = re.search(r"^ {3}\+ .*resourceClaimTemplateName: (drawbridge-[0-9a-f]{16})$", legacy, re.MULTILINE)
    assert found
    _, _, template = legacy.partition("The template that it refers to")
    assert f"name: {found[1]}\n" in template
    assert "NVIDIA-A100-SXM4-40GB" in template, "the node label has become a selector"
