"""The HTML pages, in a real browser: whole and readable, wide and narrow, light and dark, and no place for scripts."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.chromium import NOT_INSTALLED, Browser, find_browser
from tests.controlplane.drawbridge import DRAWBRIDGE

HOSTILE = "<img src=x onerror=document.title='hacked'>"
MANIFESTS = f"""\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: trainer, namespace: team-a}}
spec:
  replicas: 2
  selector: {{matchLabels: {{app: trainer}}}}
  template:
    metadata: {{labels: {{app: trainer}}}}
    spec:
      nodeSelector: {{nvidia.com/gpu.product: NVIDIA-A100-SXM4-80GB}}
      containers: [{{name: main, image: none, resources: {{limits: {{nvidia.com/gpu: 2}}}}}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: waits, namespace: team-a}}
spec:
  schedulerName: "{HOSTILE}"
  containers: [{{name: main, image: none, resources: {{limits: {{nvidia.com/mig-1g.10gb: 1}}}}}}]
---
apiVersion: drawbridge.dev/v1alpha1
kind: ClaimPolicy
metadata: {{name: few}}
spec:
  match: {{resources: [claims]}}
  validations: [{{expression: claim.worst.devices < 2, message: "{HOSTILE}"}}]
---
apiVersion: resource.k8s.io/v1
kind: ResourceClaim
metadata: {{name: trainer, namespace: team-a}}
spec: {{devices: {{requests: [{{name: gpu, exactly: {{deviceClassName: gpu.nvidia.com, count: 2}}}}]}}}}
"""
CLUSTER = Path(__file__).parents[2] / "examples" / "cluster"
COMMANDS = {
    "migration report": ("migrate", "{manifests}", "--report", "html"),
    "migration plan": ("migrate", "plan", "--cluster", "{manifests}", "--cluster", str(CLUSTER), "-o", "html"),
    "policy audit": ("policies", "audit", "--cluster", "{manifests}", "-o", "html"),
}
# The least contrast of any text with what is behind it, as WCAG 2.2 counts it (1.4.3 asks 4.5).
CONTRAST = """
(() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => numbers(colour).slice(0, 3).map(part => part / 255)
    .map(part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
    .reduce((sum, part, index) => sum + part * [0.2126, 0.7152, 0.0722][index], 0);
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor, alpha = numbers(colour)[3];
      if (alpha === undefined || alpha === 1) return colour;
    }
    return dark ? 'rgb(18, 18, 18)' : 'rgb(255, 255, 255)';
  };
  const texts = [...document.body.querySelectorAll('*')].filter(element =>
    [...element.childNodes].some(child => child.nodeType === 3 && child.data.trim()));
  return Math.min(...texts.map(element => {
    const pair = [light(getComputedStyle(element).color), light(behind(element))].sort((a, b) => b - a);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
  }));
})()
"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    program = find_browser()
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(NOT_INSTALLED)
    with Browser(program, tmp_path_factory.mktemp("profile")) as running:
        yield running


@pytest.fixture(scope="module", params=COMMANDS)
def page(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pages")
    manifests = folder / "manifests.yaml"
    manifests.write_text(MANIFESTS)
    arguments = [part.format(manifests=manifests) for part in COMMANDS[request.param]]
    ran = subprocess.run([DRAWBRIDGE, *arguments], capture_output=True, text=True, check=False)
    written = folder / "page.html"
    written.write_text(next(text for text in (ran.stdout, ran.stderr) if text.startswith("<!doctype html>")))
    return written


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("narrow", [False, True], ids=["wide", "narrow"])
def test_a_page_can_be_read(browser: Browser, page: Path, *, dark: bool, narrow: bool) -> None:
    browser.open(page, dark=dark, narrow=narrow)

    assert browser.evaluate("document.documentElement.scrollWidth <= innerWidth"), "the page is wider than the window"
    assert browser.evaluate(CONTRAST) >= 4.5
    assert browser.evaluate("document.body.innerText").count("trainer") >= 1


def test_tables_have_headers_for_screen_readers(browser: Browser, page: Path) -> None:
    browser.open(page)

    roles = browser.roles()
    assert roles["table"] == browser.evaluate("document.querySelectorAll('table').length") >= 1
    assert roles["columnheader"] >= 3
    assert roles["rowheader"] >= 1


def test_a_page_loads_nothing_and_runs_nothing(browser: Browser, page: Path) -> None:
    """Also where an object's field holds HTML: it is shown as it was written."""
    browser.open(page)

    asked = [
        event["params"]["request"]["url"] for event in browser.events if event["method"] == "Network.requestWillBeSent"
    ]
    assert asked == [page.as_uri()]
    assert "hacked" not in browser.evaluate("document.title")
    assert browser.evaluate("document.querySelectorAll('img, script').length") == 0
    assert HOSTILE in browser.evaluate("document.body.innerText")
    told = [event for event in browser.events if event["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert told == []
