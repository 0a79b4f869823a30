r"""Do the released files give onnxruntime's predictions in other runtimes that read ONNX?

    pip install openvino tract
    for version in 4.10.0.84 4.12.0.88 5.0.0.93; do
        pip install --no-deps --target runtimes/opencv-$version opencv-python-headless==$version
    done
    npm install --ignore-scripts --prefix runtimes/node onnxruntime-node onnxruntime-web
    python tests/benchmarks/runtimes.py runtimes/*

This prints the table of docs/export.md. A runtime takes part if it is installed in this environment
or in a folder of the command line, so that several versions of one can. Each runs in a process of
its own, and gets 200 images, one at a time: 100 of MNIST's test images and 100 photographs after
preprocessing. `tests/integration/test_runtimes.py` asserts the same.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Images = npt.NDArray[np.uint8]
    Probabilities = npt.NDArray[np.float32]

ROOT = Path(__file__).parents[2]
EACH = 100
"""Images of each kind: MNIST's, and photographs."""

_LIMIT_S = 300


@dataclass(frozen=True)
class Runtime:
    """A runtime that reads ONNX files.

    Attributes:
        name: as people call it.
        package: the module that Python imports, or the package of npm.
        install: the command that installs it.
        is_javascript: runs in node.
    """

    name: str
    package: str
    install: str
    is_javascript: bool = False


RUNTIMES = (
    Runtime("onnxruntime", "onnxruntime", "pip install onnxruntime"),
    Runtime("OpenCV", "cv2", "pip install opencv-python-headless"),
    Runtime("OpenVINO", "openvino", "pip install openvino"),
    Runtime("tract", "tract", "pip install tract"),
    Runtime("onnxruntime-node", "onnxruntime-node", "npm install onnxruntime-node", True),
    Runtime("onnxruntime-web", "onnxruntime-web", "npm install onnxruntime-web", True),
)


class RuntimeFailedError(Exception):
    """A runtime could not run a file; the message is the last line that it wrote."""


@dataclass(frozen=True)
class Installation:
    """One version of a runtime; `folder` is where it is installed, None = in this environment."""

    runtime: Runtime
    folder: Path | None

    def run(self, model: Path, images: Images) -> tuple[str, Probabilities]:
        """Runs a model in a process of its own.

        Args:
            model: an ONNX file.
            images: uint8 ``[N, 28, 28]``.

        Returns:
            the runtime's version, and probabilities float32 ``[N, 10]``.

        Raises:
            RuntimeFailedError: it cannot run the file.
        """
        with tempfile.TemporaryDirectory() as folder:
            source, result = Path(folder) / "images", Path(folder) / "probabilities"
            source.write_bytes(images.tobytes())
            files = [str(path.absolute()) for path in (model, source, result)]
            done = self._start([self.runtime.package, *files])
            if done.returncode != 0:
                lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
                raise RuntimeFailedError(lines[-1])
            probabilities = np.fromfile(result, np.float32).reshape(len(images), -1)
        return done.stdout.splitlines()[-1], probabilities

    def _start(self, arguments: list[str]) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "ORT_DISABLE_TELEMETRY": "1"}
        if self.runtime.is_javascript:
            command, script = ["node", "--input-type=commonjs", "-", *arguments], _JAVASCRIPT
        else:
            command, script = [sys.executable, __file__, "--child", *arguments], ""
            if self.folder:
                environment["PYTHONPATH"] = str(self.folder.absolute())
        return subprocess.run(
            command,
            input=script,
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LIMIT_S,
        )


def installations(runtime: Runtime, folders: Iterable[Path] = ()) -> list[Installation]:
    """The versions of a runtime that are installed, in this environment and in these folders."""
    if runtime.is_javascript:
        places: list[Path | None] = [
            folder
            for folder in (folders if shutil.which("node") else ())
            if (folder / "node_modules" / runtime.package).is_dir()
        ]
    else:
        places = [folder for folder in folders if (folder / runtime.package).is_dir()]
        if importlib.util.find_spec(runtime.package):
            places.append(None)
    return [Installation(runtime, place) for place in places]


# In the process of its own


def run_in_python(package: str, model: str, images: Images) -> tuple[str, list[Any]]:
    """Version and probabilities, ``[1, 10]`` for each image."""
    inputs = images[:, np.newaxis, np.newaxis]
    if package == "cv2":
        import cv2

        net = cv2.dnn.readNetFromONNX(model)

        def predict(image: Images) -> Any:
            net.setInput(image)
            return net.forward().copy()

        return cv2.__version__, [predict(image) for image in inputs]
    if package == "openvino":
        import openvino

        # It would round to bfloat16 where the processor has it.
        options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
        compiled = openvino.Core().compile_model(model, "CPU", options)
        version = openvino.__version__.partition("-")[0]
        return version, [compiled([image])[0].copy() for image in inputs]
    if package == "tract":
        import tract

        runnable = tract.onnx().load(model).into_model().into_runnable()
        return tract.version(), [runnable.run([image])[0].to_numpy() for image in inputs]
    import onnxruntime

    session = onnxruntime.InferenceSession(model)
    return onnxruntime.__version__, [session.run(None, {"image": image})[0] for image in inputs]


_JAVASCRIPT = """
const { readFileSync, writeFileSync } = require("node:fs");
const [name, model, images, result] = process.argv.slice(2);
const ort = require(name);
ort.env.wasm.numThreads = 1;
(async () => {
    const session = await ort.InferenceSession.create(new Uint8Array(readFileSync(model)));
    const pixels = new Uint8Array(readFileSync(images));
    const all = [];
    for (let i = 0; i < pixels.length; i += 28 * 28) {
        const image = new ort.Tensor("uint8", pixels.slice(i, i + 28 * 28), [1, 1, 28, 28]);
        all.push(...(await session.run({ image })).probabilities.data);
    }
    writeFileSync(result, new Uint8Array(new Float32Array(all).buffer));
    console.log(JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version);
    process.exit(0);
})();
"""


def child(package: str, model: str, images: str, result: str) -> None:
    pixels = np.fromfile(images, np.uint8).reshape(-1, 28, 28)
    version, probabilities = run_in_python(package, model, pixels)
    np.concatenate(probabilities).astype(np.float32).tofile(result)
    print(version)


# The comparison


@dataclass(frozen=True)
class Comparison:
    """A runtime's probabilities against onnxruntime's.

    Attributes:
        images: how many.
        changed: predictions that differ.
        difference: largest, of any probability.
        is_int8: the file is quantized.
    """

    images: int
    changed: int
    difference: float
    is_int8: bool

    @classmethod
    def of(cls, found: Probabilities, expected: Probabilities, model: Path) -> Comparison:
        changed = int((found.argmax(axis=1) != expected.argmax(axis=1)).sum())
        difference = float(np.abs(found - expected).max())
        return cls(len(expected), changed, difference, "int8" in model.stem)

    @property
    def is_same(self) -> bool:
        """Within the bounds: fp32 as the export gate has them.

        int8 kernels round differently on some processors, which may change one prediction in 200.
        """
        if self.is_int8:
            return self.changed <= self.images // 200 and self.difference <= 0.2
        return self.changed == 0 and self.difference <= 1e-4

    def __str__(self) -> str:
        verdict = "same" if self.is_same else "**wrong**"
        changed = f", {self.changed} of {self.images} changed" if self.changed else ""
        difference = f"{self.difference:.0e}" if self.difference else "0"
        return f"{verdict}{changed}, {difference}"


def load_images() -> Images:
    """100 MNIST test images, and 100 photographs after preprocessing."""
    from mnist_edge import DigitClassifier
    from mnist_edge.mnist import load_split

    paths = sorted((ROOT / "tests" / "data" / "pictures").iterdir())
    seen = (prediction.image for prediction in DigitClassifier().stream(paths))
    photos = [image for image in seen if image is not None][:EACH]
    return np.concatenate([load_split(ROOT / "samples", "test")[0][:EACH], np.stack(photos)])


def released_models() -> list[Path]:
    return sorted((ROOT / "models").glob("*.onnx"), key=lambda path: path.stat().st_size)


def expected_probabilities(model: Path, images: Images) -> Probabilities:
    """Onnxruntime's, in this process, as the program runs it."""
    from mnist_edge.model import Model

    return Model.load(model).run(images)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, help="where further versions are")
    parser.add_argument("--model", nargs="+", type=Path, help="other files than the released ones")
    options = parser.parse_args(arguments)
    models = options.model or released_models()
    images = load_images()
    expected = [expected_probabilities(model, images) for model in models]
    titles = ["runtime", "version", *(model.stem for model in models)]
    print(f"| {' | '.join(titles)} |\n|---|---|{'---|' * len(models)}")
    all_same = True
    for runtime in RUNTIMES:
        found = installations(runtime, options.folders)
        if not found:
            print(f"{runtime.name} is not installed: {runtime.install}", file=sys.stderr)
        for installation in found:
            version, cells = "", []
            for model, probabilities in zip(models, expected, strict=True):
                try:
                    version, result = installation.run(model, images)
                except RuntimeFailedError as error:
                    all_same = False
                    cells.append(f"**fails**: {error}"[:80])
                    continue
                row = Comparison.of(result, probabilities, model)
                all_same &= row.is_same
                cells.append(str(row))
            print(f"| {runtime.name} | {version} | {' | '.join(cells)} |", flush=True)
    return 0 if all_same else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(*sys.argv[2:])
    else:
        sys.exit(main())
