"""Writes a folder as model hubs expect it; nothing is uploaded.

The layout is Hugging Face's: a model card with YAML front matter, ``config.json``,
``preprocessor_config.json``, and the networks in ``onnx/``, under the names that transformers.js
looks for.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from mnist_edge.errors import UsageError
from mnist_edge.model import Model
from mnist_edge.outputs.atomic import atomic_write, make_folder
from mnist_edge.types import DIGITS, SIDE, Preprocessing

__all__ = ["HubModels", "write_hub_folder"]

_FP32, _INT8 = "onnx/model.onnx", "onnx/model_quantized.onnx"
_SUMS = "SHA256SUMS"

_LEAST_AGREEMENT = 0.95
"""Part of random images on which the two files must predict the same: they are of one network."""

_CARD = """\
---
license: {{ license | tojson }}
library_name: onnx
pipeline_tag: image-classification
tags: [onnx, int8, quantized, edge, mnist, handwriting]
{%- if dataset %}
datasets: [{{ dataset }}]
{%- endif %}
metrics: [accuracy]
model-index:
  - name: {{ name | tojson }}
    results:
      - task: {type: image-classification}
        dataset: {name: {{ dataset_name | tojson }}, type: {{ dataset or "custom" }}, split: test}
        metrics:
          - {type: accuracy, value: {{ accuracy }}}
---

# {{ name }}

Classifies an image of 28 x 28 pixels: {{ labels | join(", ") }}. Made by mnist-edge {{ version }}.

| file | bytes | weights |
|---|--:|---|
| `onnx/model.onnx` | {{ "{:,}".format(fp32_bytes) }} | fp32 |
| `onnx/model_quantized.onnx` | {{ "{:,}".format(int8_bytes) }} | int8: {{ quantization }} |

- **Architecture**: `{{ architecture }}`, {{ "{:,}".format(parameters) }} parameters.
- **Accuracy** of the int8 file on the test images: {{ "{:.2f}".format(100 * accuracy) }} %.
- **Input** `image`: uint8 `[batch, 1, 28, 28]`, {{ ink }}. Scaling is inside.
- **Output** `probabilities`: float32 `[batch, {{ labels | length }}]`, calibrated.
- **Reject** what has a confidence below {{ min_confidence }}.

## Use it

With the front end for photographs and drawings (`pip install mnist-edge`):

```python
from mnist_edge import DigitClassifier

print(DigitClassifier("onnx/model_quantized.onnx").predict("photo.jpg").label)
```

With onnxruntime alone, for images that are in the form of the training images:

```python
import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession("onnx/model_quantized.onnx")
image = np.zeros((1, 1, 28, 28), np.uint8)
(probabilities,) = session.run(None, {"image": image})
print(probabilities.argmax())
```

## Made from

{{ dataset_name }}. Recipe: `{{ recipe }}`, seed {{ seed }}.

`sha256sum --check SHA256SUMS` checks the files.
"""


@dataclass(frozen=True)
class HubModels:
    """The two files of one network.

    Attributes:
        fp32: before quantization.
        int8: after it.

    Raises:
        UsageError: they are not of one network.
    """

    fp32: Model
    int8: Model

    def __post_init__(self) -> None:
        for name in ("labels", "preprocessing"):
            if getattr(self.fp32, name) != getattr(self.int8, name):
                raise UsageError(
                    f"{self.int8.name}: has other {name} than {self.fp32.name}; give two files of "
                    "one network"
                )
        images = np.random.default_rng(0).integers(0, 256, (64, SIDE, SIDE), np.uint8)
        answers = [model.run(images).argmax(axis=1) for model in (self.fp32, self.int8)]
        if np.mean(answers[0] == answers[1]) < _LEAST_AGREEMENT:
            raise UsageError(
                f"{self.int8.name}: predicts otherwise than {self.fp32.name}; give two files of "
                "one network"
            )


def write_hub_folder(folder: Path, models: HubModels) -> list[Path]:
    """Writes the folder; files of an earlier call are replaced.

    Args:
        folder: made where it is missing; empty, or written by this function.
        models: the two files.

    Returns:
        the files that were written.

    Raises:
        UsageError: something else is in the folder.
        OutputError: it cannot be written.
    """
    files: dict[str, bytes] = {
        _FP32: models.fp32.content,
        _INT8: models.int8.content,
        "config.json": _json(_config(models.int8)),
        "preprocessor_config.json": _json(_preprocessor(models.int8)),
        "README.md": _card(models).encode(),
    }
    if models.int8.metadata.get("license", "MIT") == "MIT":
        licence = metadata.distribution("mnist-edge").read_text("licenses/LICENSE")
        files["LICENSE"] = (licence or "MIT\n").encode()
    files[_SUMS] = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in files.items()
    ).encode()
    _refuse_others(folder, {*files, "LICENSE", "onnx"})
    make_folder(folder / "onnx")
    for name, content in files.items():
        with atomic_write(folder / name) as partial:
            partial.write_bytes(content)
    return [folder / name for name in files]


def _refuse_others(folder: Path, names: set[str]) -> None:
    others = (
        [path.name for path in folder.iterdir() if path.name not in names]
        if (folder.is_dir())
        else []
    )
    if others:
        raise UsageError(f"{folder}: has {others[0]!r} in it; choose an empty folder")


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()


def _config(model: Model) -> dict[str, Any]:
    return {
        "model_type": "mnist-edge",
        "architectures": [model.metadata.get("architecture", "unknown")],
        "num_labels": len(model.labels),
        "id2label": {str(index): label for index, label in enumerate(model.labels)},
        "label2id": {label: index for index, label in enumerate(model.labels)},
        "image_size": SIDE,
        "num_channels": 1,
        "min_confidence": model.min_confidence,
        "calibration_temperature": float(model.metadata.get("calibration_temperature", 1)),
    }


def _preprocessor(model: Model) -> dict[str, Any]:
    return {
        "image_processor_type": "ImageFeatureExtractor",
        "do_resize": True,
        "size": {"height": SIDE, "width": SIDE},
        "do_convert_grayscale": True,
        "do_rescale": False,  # the network scales by itself
        "do_normalize": False,
        "input_name": "image",
        "input_dtype": "uint8",
        "preprocessing": str(model.preprocessing.value),
    }


def _card(models: HubModels) -> str:
    model = models.int8
    facts = model.metadata
    is_mnist = model.labels == DIGITS and facts.get("dataset", "").startswith("MNIST")
    is_digit = model.preprocessing is Preprocessing.DIGIT
    environment = jinja2.Environment(
        autoescape=False,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.from_string(_CARD).render(
        name=facts.get("name", Path(model.name).stem),
        license=facts.get("license", "other").lower(),
        dataset="ylecun/mnist" if is_mnist else "",
        dataset_name=facts.get("dataset", "unknown"),
        accuracy=float(facts.get("test_accuracy", "nan")),
        labels=model.labels,
        version=facts.get("version", "unknown"),
        fp32_bytes=len(models.fp32.content),
        int8_bytes=len(model.content),
        quantization=facts.get("quantization", "none").partition(";")[0],
        architecture=facts.get("architecture", "unknown"),
        parameters=int(facts.get("parameters", 0)),
        ink="0 = background, 255 = ink" if is_digit else "0 = black, 255 = white",
        min_confidence=f"{model.min_confidence:g}",
        recipe=facts.get("training_recipe", "unknown"),
        seed=facts.get("seed", "unknown"),
    )
