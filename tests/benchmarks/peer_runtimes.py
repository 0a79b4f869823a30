"""Other runtimes that can run the bundled network: how it gets into each, and how it is called.

`peers.py` measures them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

ROOT = Path(__file__).parents[2]

Predict = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Peer:
    """A runtime, and how our network gets into it.

    Attributes:
        packages: what it runs with, as pip calls it; the first one's version is shown.
        converters: further packages that make its files, where they are not there yet.
        files: its files' names.
        prepare: writes them into a folder.
        load: opens them, from that folder, ready to predict.
        precision: of the weights: ``"fp32"`` or ``"int8"``.
        bound: largest difference of a probability from onnxruntime's of the same precision.
        changed: most predictions of 1,000 that may differ from those.
    """

    packages: tuple[str, ...]
    converters: tuple[str, ...]
    files: tuple[str, ...]
    prepare: Callable[[Path], None]
    load: Callable[[Path], Predict]
    precision: str = "fp32"
    bound: float = 1e-4
    changed: int = 0


def copy_bundled(name: str) -> Callable[[Path], None]:
    def copy(folder: Path) -> None:
        shutil.copyfile(ROOT / "models" / name, folder / name)

    return copy


def load_onnxruntime(name: str) -> Callable[[Path], Predict]:
    def load(folder: Path) -> Predict:
        from mnist_edge.model import INPUT, OUTPUT, create_session

        session = create_session((folder / name).read_bytes())
        return lambda image: np.asarray(session.run([OUTPUT], {INPUT: image})[0])

    return load


def save_weights(folder: Path) -> None:
    import torch

    torch.save(
        torch_network(bundled_weights(), byte_input=True).state_dict(), folder / "weights.pt"
    )


def bundled_weights() -> dict[str, Any]:
    """Weights of the released file, batch norm folded into the convolutions, as torch tensors."""
    import onnx
    import torch

    model = onnx.load(ROOT / "models" / "mnist-edge-fp32.onnx")
    arrays = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    weights = {}
    for name, array in arrays.items():
        if name.startswith("network."):
            # The exporter names the bias of a folded batch norm so.
            name = name.removeprefix("network.").replace(".weight_bias", ".bias")
            weights[f"network.{name}"] = torch.tensor(array)
    return weights


def torch_network(weights: dict[str, Any], byte_input: bool) -> Any:
    """The default network as it is exported: bytes or 0..1 in, probabilities out."""
    import torch
    from torch import nn

    from mnist_edge_trainer.architectures.registry import DEFAULT_ARCHITECTURE, build

    class Exported(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = build(DEFAULT_ARCHITECTURE)
            features: Any = self.network.features
            for block in features[1:]:
                block[0].bias = nn.Parameter(torch.zeros(block[0].out_channels))
                block[1] = nn.Identity()

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            if byte_input:
                images = images.to(torch.float32) / 255
            return torch.softmax(self.network(images), dim=1)

    exported = Exported()
    exported.load_state_dict(weights)
    return exported.eval().requires_grad_(False)


def load_torch(compiled: bool) -> Callable[[Path], Predict]:
    def load(folder: Path) -> Predict:
        import torch

        torch.set_num_threads(1)
        weights = torch.load(folder / "weights.pt", weights_only=True)
        network = torch_network(weights, byte_input=True)
        return predict_with_torch(torch.compile(network) if compiled else network)

    return load


def predict_with_torch(network: Any) -> Predict:
    import torch

    def predict(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        with torch.inference_mode():
            return np.asarray(network(torch.from_numpy(image)).numpy())

    return predict


def trace(folder: Path) -> None:
    import torch

    network = torch_network(bundled_weights(), byte_input=True)
    traced = torch.jit.trace(network, torch.zeros(1, 1, 28, 28, dtype=torch.uint8))
    torch.jit.save(torch.jit.freeze(traced), folder / "traced.pt")


def load_traced(folder: Path) -> Predict:
    import torch

    torch.set_num_threads(1)
    return predict_with_torch(
        torch.jit.optimize_for_inference(torch.jit.load(folder / "traced.pt"))
    )


def convert_litert(folder: Path) -> None:
    import litert_torch
    import torch

    network = torch_network(bundled_weights(), byte_input=True)
    example = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    litert_torch.convert(network, (example,)).export(str(folder / "model.tflite"))


def load_litert(folder: Path) -> Predict:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / "model.tflite"), num_threads=1)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()

    def predict(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        interpreter.set_tensor(source["index"], image)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(result["index"]))

    return predict


def load_openvino(name: str) -> Callable[[Path], Predict]:
    def load(folder: Path) -> Predict:
        import openvino

        core = openvino.Core()
        model = core.read_model(folder / name)
        model.reshape([1, 1, 28, 28])
        options = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": 1,
            # Nothing else here is bound to a core.
            "ENABLE_CPU_PINNING": False,
            # It would round to bfloat16 where the processor has it.
            "INFERENCE_PRECISION_HINT": "f32",
        }
        request = core.compile_model(model, "CPU", options).create_infer_request()

        def predict(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
            request.infer([image], share_inputs=True)
            return np.array(request.get_output_tensor().data)

        return predict

    return load


def convert_ncnn(folder: Path) -> None:
    import pnnx
    import torch

    network = torch_network(bundled_weights(), byte_input=False)
    path = str(folder / "model.pt")
    pnnx.export(network, path, (torch.zeros(1, 1, 28, 28),), fp16=False)


def load_ncnn(folder: Path) -> Predict:
    import ncnn

    net = ncnn.Net()
    net.opt.num_threads = 1
    # Its default keeps weights and activations in 16 bits, where the others have 32.
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = False
    net.load_param(str(folder / "model.ncnn.param"))
    net.load_model(str(folder / "model.ncnn.bin"))

    def predict(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        # It takes floats alone.
        picture = image[0].astype(np.float32) / 255
        extractor = net.create_extractor()
        extractor.input("in0", ncnn.Mat(picture))
        _, result = extractor.extract("out0")
        return np.array(result)[np.newaxis]

    return predict


FP32, INT8 = "mnist-edge-fp32.onnx", "mnist-edge-int8.onnx"
REFERENCES = {"int8": "onnxruntime int8", "fp32": "onnxruntime fp32"}
TORCH = ("torch",)
PEERS = {
    REFERENCES["int8"]: Peer(
        ("onnxruntime",), (), (INT8,), copy_bundled(INT8), load_onnxruntime(INT8), "int8"
    ),
    REFERENCES["fp32"]: Peer(
        ("onnxruntime",), (), (FP32,), copy_bundled(FP32), load_onnxruntime(FP32)
    ),
    "torch eager": Peer(TORCH, ("onnx",), ("weights.pt",), save_weights, load_torch(False)),
    "torch.compile": Peer(TORCH, ("onnx",), ("weights.pt",), save_weights, load_torch(True)),
    "torch.jit, frozen": Peer(TORCH, ("onnx",), ("traced.pt",), trace, load_traced),
    "LiteRT fp32": Peer(
        ("ai-edge-litert",),
        ("litert-torch", "onnx"),
        ("model.tflite",),
        convert_litert,
        load_litert,
    ),
    "OpenVINO fp32": Peer(("openvino",), (), (FP32,), copy_bundled(FP32), load_openvino(FP32)),
    # Its integer kernels round otherwise in places.
    "OpenVINO int8": Peer(
        ("openvino",), (), (INT8,), copy_bundled(INT8), load_openvino(INT8), "int8", 0.2, 2
    ),
    "ncnn fp32": Peer(
        ("ncnn",),
        ("pnnx", "torch", "onnx"),
        ("model.ncnn.param", "model.ncnn.bin"),
        convert_ncnn,
        load_ncnn,
    ),
}
