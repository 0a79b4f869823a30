"""Drives headless Chromium over its DevTools protocol."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import websocket

PATIENCE = 60.0
"""Seconds that a test waits for the browser before it has failed."""


class Tab:
    """A page in the browser; what its console says is kept.

    Args:
        address: of its end of the protocol.
    """

    def __init__(self, address: str) -> None:
        self._socket = websocket.create_connection(address, PATIENCE, suppress_origin=True)
        self._numbers = itertools.count(1)
        self.problems: list[str] = []
        self.requests: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Calls a method; its result."""
        number = next(self._numbers)
        self._socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result
            self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        method, parameters = message.get("method"), message.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.problems.append(json.dumps(parameters["exceptionDetails"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.problems.append(parameters["entry"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(parameters["request"])

    def run(self, script: str) -> Any:
        """Value of an expression; promises are awaited."""
        answer = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def open(self, url: str, width: int = 1000, height: int = 900, *, dark: bool = False) -> None:
        """Opens a page, in a window of so many pixels."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call("Page.navigate", url=url)
        self.wait_for("document.readyState === 'complete' && location.href !== 'about:blank'")

    def wait_for(self, condition: str) -> Any:
        """Waits until an expression is true; its value."""
        deadline = time.monotonic() + PATIENCE
        while not (value := self.run(condition)):
            assert time.monotonic() < deadline, f"never: {condition}"
        return value

    def box(self, selector: str) -> tuple[float, float, float, float]:
        """Left, top, width and height of an element, scrolled into view."""
        found = self.run(
            f"(() => {{ const e = document.querySelector({selector!r}); e.scrollIntoView();"
            " const b = e.getBoundingClientRect(); return [b.left, b.top, b.width, b.height]; })()"
        )
        left, top, width, height = found
        return left, top, width, height

    def draw(self, points: list[tuple[float, float]], *, touch: bool = False) -> None:
        """Draws a stroke on the sheet by pointer events; points in parts of its height."""
        left, top, _, height = self.box("#sheet")
        at = [(left + x * height, top + y * height) for x, y in points]
        kinds = ["mousePressed", *["mouseMoved"] * (len(at) - 1), "mouseReleased"]
        touches = ["touchStart", *["touchMove"] * (len(at) - 1), "touchEnd"]
        for kind, touched, (x, y) in zip(kinds, touches, [*at, at[-1]], strict=True):
            if touch:
                points_now = [] if touched == "touchEnd" else [{"x": x, "y": y}]
                self.call("Input.dispatchTouchEvent", type=touched, touchPoints=points_now)
            else:
                self.call(
                    "Input.dispatchMouseEvent",
                    type=kind,
                    x=x,
                    y=y,
                    button="left",
                    buttons=int(kind != "mouseReleased"),
                    clickCount=1,
                )

    def click(self, selector: str) -> None:
        """Clicks an element."""
        left, top, width, height = self.box(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call(
                "Input.dispatchMouseEvent",
                type=kind,
                x=left + width / 2,
                y=top + height / 2,
                button="left",
                clickCount=1,
            )

    def press(self, key: str, code: int, modifiers: int = 0) -> None:
        """Presses a key; 2 is Ctrl."""
        text = {"text": " "} if key == " " else {}
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=code,
                modifiers=modifiers,
                **(text if kind == "keyDown" else {}),
            )

    def choose(self, selector: str, path: Path) -> None:
        """Chooses a file."""
        document = self.call("DOM.getDocument")
        node = self.call("DOM.querySelector", nodeId=document["root"]["nodeId"], selector=selector)
        self.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node["nodeId"])

    def screenshot(self, path: Path) -> None:
        """Saves what is seen, all of the page."""
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """Lets go of the page."""
        self._socket.close()


@contextlib.contextmanager
def browsing(profile: Path) -> Iterator[Tab]:
    """A browser with one page."""
    process = subprocess.Popen(
        [
            *("chromium", "--headless", "--no-sandbox", "--disable-gpu"),
            *("--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        found = None
        while found is None:
            line = process.stderr.readline()
            assert line, "the browser has ended"
            found = re.search(r"ws://(\S+?)/", line)
        targets = httpx.get(f"http://{found[1]}/json", timeout=PATIENCE).json()
        address = next(t["webSocketDebuggerUrl"] for t in targets if t["type"] == "page")
        tab = Tab(address)
        yield tab
        tab.close()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
