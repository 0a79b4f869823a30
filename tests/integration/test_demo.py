"""The page that reads drawings in the browser: its rule in node, and all of it in Chromium."""

from __future__ import annotations

import base64
import contextlib
import functools
import http.server
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mnist_edge.model import Model
from mnist_edge.preprocess.plain import fit_digit
from mnist_edge.types import GrayImage
from tests.conftest import ROOT, Digits, made_once
from tests.drawings import SHEET, draw
from tests.unit.infer.serve.chromium import Tab, browsing

COUNT = 1_000
DEMO = ROOT / "docs" / "demo"
SEVEN = [(0.25, 0.25), (0.45, 0.24), (0.7, 0.24), (0.6, 0.45), (0.5, 0.65), (0.42, 0.85)]

FIT_ALL = """
(async () => {{
  const {{ fitDigit }} = await import("./mnist.js");
  const levels = Uint8Array.from(atob("{levels}"), (c) => c.charCodeAt(0));
  const area = {side} ** 2, fitted = [];
  for (let at = 0; at < levels.length; at += area) {{
    fitted.push(...fitDigit(levels.subarray(at, at + area), {side}, {side}));
  }}
  return fitted;
}})()
"""

RUN_ALL = """
(async () => {{
  const {{ probabilitiesOf }} = await import("./demo.js");
  const images = Uint8Array.from(atob("{images}"), (c) => c.charCodeAt(0));
  return [...(await probabilitiesOf(images))];
}})()
"""


@pytest.fixture(scope="module")
def sheets(train_digits: Digits) -> GrayImage:
    """Drawings of digits that the network was validated with."""
    return draw(train_digits[0][55_000 : 55_000 + COUNT], seed=1)


@pytest.fixture(scope="module")
def wanted(sheets: GrayImage) -> GrayImage:
    """What Python makes of them."""
    return np.stack([image for sheet in sheets if (image := fit_digit(sheet)) is not None])


def assert_alike(images: GrayImage, wanted: GrayImage) -> None:
    """Within one gray level, and with the same answers."""
    assert np.abs(images.astype(int) - wanted).max() <= 1
    run = Model.load().run
    assert (run(images).argmax(axis=1) == run(wanted).argmax(axis=1)).all()


@pytest.mark.skipif(not shutil.which("node"), reason="needs node")
def test_rule_in_node_is_that_of_python(
    sheets: GrayImage, wanted: GrayImage, tmp_path: Path
) -> None:
    sheets.tofile(tmp_path / "sheets")
    script = Path(__file__).with_name("fit_digits.mjs")
    arguments = [str(SHEET), str(tmp_path / "sheets"), str(tmp_path / "fitted")]
    subprocess.run(["node", str(script), *arguments], check=True)
    assert_alike(np.fromfile(tmp_path / "fitted", np.uint8).reshape(-1, 28, 28), wanted)


def node_modules() -> Path | None:
    """A folder of MNIST_EDGE_RUNTIMES with onnxruntime-web, as `runtimes.py` has them."""
    for name in os.environ.get("MNIST_EDGE_RUNTIMES", "").split(os.pathsep):
        if (modules := Path(name) / "node_modules" / "onnxruntime-web").is_dir():
            return modules.parent
    return None


@pytest.fixture(scope="module")
def site() -> Path:
    """The built page."""

    def build(folder: Path) -> None:
        modules = node_modules()
        options = [] if modules is None else ["--node-modules", str(modules)]
        command = [sys.executable, str(DEMO / "build.py"), str(folder), *options]
        subprocess.run(command, check=True)

    return made_once("demo", build)


@contextlib.contextmanager
def hosting(folder: Path) -> Iterator[str]:
    """Serves files on the loopback."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def tab(site: Path, tmp_path: Path) -> Iterator[Tab]:
    with hosting(site) as url, browsing(tmp_path / "profile") as tab:
        tab.open(url)
        tab.wait_for("typeof window.ask === 'function'")
        yield tab
        assert tab.problems == []
        assert all(request["url"].startswith((url, "data:", "blob:")) for request in tab.requests)


needs_browser = pytest.mark.skipif(
    not (shutil.which("chromium") and (node_modules() or shutil.which("npm"))),
    reason="needs chromium, and npm or MNIST_EDGE_RUNTIMES with onnxruntime-web",
)


@needs_browser
@pytest.mark.slow
def test_drawings_in_the_browser_are_those_of_python(
    tab: Tab, sheets: GrayImage, wanted: GrayImage
) -> None:
    levels = base64.b64encode(sheets.tobytes()).decode()
    fitted = tab.run(FIT_ALL.format(levels=levels, side=SHEET))
    assert_alike(np.array(fitted, np.uint8).reshape(-1, 28, 28), wanted)


@needs_browser
@pytest.mark.slow
def test_answers_in_the_browser_are_those_of_onnxruntime(tab: Tab, test_digits: Digits) -> None:
    images = base64.b64encode(test_digits[0].tobytes()).decode()
    found = np.array(tab.run(RUN_ALL.format(images=images)), np.float32).reshape(-1, 10)
    expected = Model.load().run(test_digits[0])
    assert (found.argmax(axis=1) == expected.argmax(axis=1)).all()
    assert np.abs(found - expected).max() < 1e-5


@needs_browser
@pytest.mark.slow
def test_drawn_seven_is_read_without_a_server(tab: Tab) -> None:
    tab.draw(SEVEN)
    assert tab.wait_for("document.getElementById('answer').textContent.trim()") == "7"
    tab.wait_for("document.getElementById('seen').naturalWidth === 28")
    assert tab.run("document.querySelectorAll('#bars tr').length") == 10
    tab.click("#clear")
    tab.wait_for("document.getElementById('note').textContent.includes('Nothing is drawn')")
    assert tab.run("document.querySelector('fieldset').hidden")
    assert json.loads(tab.run("fetch('model.json').then((r) => r.text())"))["file"] == "model.onnx"
