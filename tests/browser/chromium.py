"""A real browser without a window, driven over a pair of pipes by the DevTools protocol."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

CANDIDATES: Final = ("chromium", "chromium-browser", "google-chrome")
NOT_INSTALLED: Final = "no browser is installed: run `make browser` (as root, on Debian or Ubuntu), or install Chromium"
_WIDE, _NARROW = 1200, 360


def find_browser() -> str | None:
    return next((found for name in CANDIDATES if (found := shutil.which(name))), None)


class Browser:
    """One process with one page; messages are JSON that ends in a zero byte, on its descriptors 3 and 4."""

    def __init__(self, program: str, profile: Path) -> None:
        to_browser, self._commands = os.pipe()
        self._answers, from_browser = os.pipe()
        # The browser reads its descriptor 3 and writes 4; the shell puts ours there, whatever their numbers are.
        script = f'exec "$0" "$@" 3<&{to_browser} 4>&{from_browser}'
        flags = (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
        )
        self._process = subprocess.Popen(
            ("bash", "-c", script, program, *flags, "about:blank"),
            pass_fds=(to_browser, from_browser),
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._rest = b""
        self._count = 0
        self.events: list[dict[str, Any]] = []
        target = self._send("Target.createTarget", {"url": "about:blank"})["targetId"]
        attached = self._send("Target.attachToTarget", {"targetId": target, "flatten": True})
        self._session: str = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        os.close(self._commands)
        self._process.terminate()
        self._process.wait(20)
        os.close(self._answers)

    def open(self, page: Path, *, dark: bool = False, narrow: bool = False) -> None:
        """Show a file as a wide or narrow window would, for a reader who likes light or dark pages."""
        self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=_NARROW if narrow else _WIDE,
            height=800,
            deviceScaleFactor=1,
            mobile=narrow,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self.events.clear()
        self.ask("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._read()

    def evaluate(self, script: str) -> Any:  # whatever the script gives
        """Return what an expression of JavaScript is in the page."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def roles(self) -> dict[str, int]:
        """Return how many of each role a screen reader meets."""
        found: dict[str, int] = {}
        for node in self.ask("Accessibility.getFullAXTree")["nodes"]:
            role = node.get("role", {}).get("value", "")
            found[role] = found.get(role, 0) + 1
        return found

    def ask(self, method: str, **params: Any) -> dict[str, Any]:  # JSON
        return self._send(method, params, {"sessionId": self._session})

    def _send(self, method: str, params: dict[str, Any], to: dict[str, str] | None = None) -> dict[str, Any]:
        self._count += 1
        number = self._count
        message = {"id": number, "method": method, "params": params, **(to or {})}
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer is not None and answer["id"] == number:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def _read(self) -> dict[str, Any] | None:
        """Return the next answer; None where an event came, which is noted."""
        while b"\0" not in self._rest:
            more = os.read(self._answers, 1 << 16)
            if not more:
                raise AssertionError("the browser ended")
            self._rest += more
        raw, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(raw)
        if "id" in message:
            return message
        self.events.append(message)
        return None
