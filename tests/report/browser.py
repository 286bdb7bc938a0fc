"""Open a page in Debian's Chromium, without a window and without a driver in between.

The browser's own protocol (https://chromedevtools.github.io/devtools-protocol/) over a pair
of pipes: one JSON message each way, ended by a zero byte. No port, no further package.
"""

import base64
import itertools
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# Ubuntu's package of that name brings a snap; its hosted machines have the other one.
BINARIES = ("chromium", "google-chrome")
ANSWER_WITHIN_S = 60.0

Message = dict[str, Any]


@dataclass(slots=True)
class Page:
    """One tab; `events` keeps everything the browser told meanwhile."""

    to_browser: int
    from_browser: int
    session: str = ""
    events: list[Message] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _unread: bytes = b""

    def call(self, method: str, **params: Any) -> Message:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.to_browser, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                result: Message = answer["result"]
                return result
            self.events.append(answer)

    def open(self, path: Path) -> None:
        """Load a file and wait until its scripts have run."""
        self.events.clear()
        self.call("Page.navigate", url=path.as_uri())
        while not any(each.get("method") == "Page.loadEventFired" for each in self.events):
            self.events.append(self._read())

    def evaluate(self, script: str) -> Any:
        found = self.call(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def show(self, *, theme: str = "light", width: int = 1600, height: int = 1000) -> None:
        """Choose what the page believes of its reader's screen."""
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.call("Emulation.setEmulatedMedia", features=features)
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=False,
        )

    def screenshot(self, *, whole: bool = False) -> bytes:
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=whole)
        return base64.b64decode(shot["data"])

    def complaints(self) -> list[str]:
        """Return what a developer would see in red: errors, exceptions, violations of policy."""
        found = []
        for each in self.events:
            params = each.get("params", {})
            if each.get("method") == "Runtime.exceptionThrown":
                found.append(str(params["exceptionDetails"]))
            if each.get("method") == "Log.entryAdded":
                found.append(str(params["entry"]))
            if each.get("method") == "Runtime.consoleAPICalled":
                found.append(str(params["args"]))
        return found

    def asked_its_reader(self) -> list[str]:
        """Return the dialogs that a script opened."""
        return [
            each["params"]["message"]
            for each in self.events
            if each.get("method") == "Page.javascriptDialogOpening"
        ]

    def requested(self) -> list[str]:
        """Return the addresses that were asked for."""
        return [
            each["params"]["request"]["url"]
            for each in self.events
            if each.get("method") == "Network.requestWillBeSent"
        ]

    def _read(self) -> Message:
        deadline = time.monotonic() + ANSWER_WITHIN_S
        while b"\0" not in self._unread:
            left = max(0.0, deadline - time.monotonic())
            ready, _, _ = select.select([self.from_browser], [], [], left)
            assert ready, f"the browser did not answer within {ANSWER_WITHIN_S:.0f} s"
            content = os.read(self.from_browser, 1 << 20)
            assert content, "the browser ended"
            self._unread += content
        line, self._unread = self._unread.split(b"\0", 1)
        message: Message = json.loads(line)
        return message


@contextmanager
def browser() -> Iterator[Page]:
    """Start a browser with a profile of its own; end it and remove the profile."""
    assert find_binary(), f"none of {', '.join(BINARIES)} is installed: apt-get install chromium"
    profile = tempfile.mkdtemp(prefix="chromium-")
    their_in, to_browser = os.pipe()
    from_browser, their_out = os.pipe()
    process = _start(Path(profile), their_in, their_out)
    try:
        yield _attach(Page(to_browser, from_browser))
    finally:
        for descriptor in (to_browser, from_browser):
            os.close(descriptor)
        # The whole group that was started: what serves the browser writes to its profile too.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        _remove(Path(profile))


def _remove(profile: Path) -> None:
    """Remove the profile; a process that is just ending may still put a file into it."""
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while profile.exists():
        shutil.rmtree(profile, ignore_errors=True)
        assert time.monotonic() < deadline, f"{profile} cannot be removed"


def find_binary() -> str | None:
    """Return the path of the first browser there is."""
    return next(filter(None, map(shutil.which, BINARIES)), None)


def packages() -> tuple[str, ...]:
    """Return what has to be installed for a browser to be there."""
    return () if find_binary() else ("chromium",)


def _start(profile: Path, their_in: int, their_out: int) -> "subprocess.Popen[bytes]":
    """Start it; it reads commands on descriptor 3 and answers on 4."""
    binary = find_binary()
    assert binary
    command = [
        binary,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--remote-debugging-pipe",
        f"--user-data-dir={profile}",
        "about:blank",
    ]
    # The shell puts the pipes where the browser looks for them, in whatever order they came.
    script = f'exec 8<&{their_in} 9>&{their_out}; exec 3<&8 4>&9 8<&- 9>&-; exec "$@"'
    try:
        return subprocess.Popen(
            ["bash", "-c", script, "bash", *command],
            pass_fds=(their_in, their_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    finally:
        os.close(their_in)
        os.close(their_out)


def _attach(page: Page) -> Page:
    targets = page.call("Target.getTargets")["targetInfos"]
    target = next(each["targetId"] for each in targets if each["type"] == "page")
    page.session = page.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
    for domain in ("Page", "Runtime", "Log", "Network"):
        page.call(f"{domain}.enable")
    return page
