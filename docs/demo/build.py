"""Builds the page that reads drawings in the browser: `python docs/demo/build.py site`.

A folder of static files, for any web server: the drawing page of `mnist-edge serve`, the released
network, and onnxruntime-web, which npm installs (14 MB; some 4 MB as a server compresses it).
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import tempfile
from pathlib import Path

from mnist_edge.model import Model
from mnist_edge.serve.page import page

HERE = Path(__file__).parent
RUNTIME = "onnxruntime-web@1.30.0"
VENDORED = ("ort.wasm.bundle.min.mjs", "ort-wasm-simd-threaded.wasm")
SCRIPTS = ("demo.js", "mnist.js")

_NO_ANSWER = "The device does not answer. Is it still running, and in the same network?"
_ASK = 'const demo = import("./demo.js"); window.ask = async (blob) => (await demo).ask(blob);'
"""A digit may be drawn before the network has arrived: it is read then."""


def index() -> str:
    """The drawing page, for one digit, with a network of its own."""
    html = page()
    for old, new in (
        ("<fieldset>", "<fieldset hidden>"),
        ("It is read on this device", "It is read in this browser"),
        (" ms on the device", " ms in this browser"),
        (_NO_ANSWER, "The network could not be loaded. Reload the page."),
        ("</body>", f"<script>{_ASK}</script>\n</body>"),
    ):
        if html.count(old) != 1:
            raise SystemExit(f"page.html has {html.count(old)} of {old!r}, and should have one")
        html = html.replace(old, new)
    return html


def vendor(site: Path, installed: Path) -> None:
    """Copies what the browser needs of onnxruntime-web, from a folder of npm's packages."""
    package = installed / "onnxruntime-web"
    for name in VENDORED:
        shutil.copyfile(package / "dist" / name, site / name)
    facts = json.loads((package / "package.json").read_text(encoding="utf-8"))
    (site / "THIRD-PARTY.txt").write_text(
        f"onnxruntime-web {facts['version']}: {facts['license']} licence, Microsoft Corporation, "
        "https://github.com/microsoft/onnxruntime\n",
        encoding="utf-8",
    )


def build(site: Path, installed: Path | None) -> None:
    """Writes all files; npm is asked for onnxruntime-web unless a folder is given."""
    site.mkdir(parents=True, exist_ok=True)
    (site / "index.html").write_text(index(), encoding="utf-8")
    for name in SCRIPTS:
        shutil.copyfile(HERE / name, site / name)
    model = Model.load()
    (site / "model.onnx").write_bytes(model.content)
    facts = {"file": "model.onnx", "sha256": model.sha256, "min_confidence": model.min_confidence}
    (site / "model.json").write_text(json.dumps(facts) + "\n", encoding="utf-8")
    if installed is not None:
        vendor(site, installed)
        return
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "install", "--ignore-scripts", "--no-save", "--prefix", folder, RUNTIME]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        vendor(site, Path(folder) / "node_modules")


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path, help="folder to write to")
    parser.add_argument("--node-modules", type=Path, help="npm's packages; default: npm installs")
    options = parser.parse_args()
    build(options.site, options.node_modules)


if __name__ == "__main__":
    main()
