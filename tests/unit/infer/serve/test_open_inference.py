"""The Open Inference Protocol, as clients of Triton and KServe speak it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from mnist_edge import DigitClassifier
from tests.conftest import Digits
from tests.unit.infer.serve.conftest import Served

MODEL = "/v2/models/mnist-edge-int8"


def infer(client: httpx.Client, tensor: dict[str, Any], **more: Any) -> dict[str, Any]:
    response = client.post(f"{MODEL}/infer", json={"inputs": [tensor], **more})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def outputs(answer: dict[str, Any]) -> dict[str, list[Any]]:
    return {output["name"]: output["data"] for output in answer["outputs"]}


def image_tensor(images: np.ndarray) -> dict[str, Any]:
    shape = [len(images), 1, 28, 28]
    return {"name": "image", "datatype": "UINT8", "shape": shape, "data": images.ravel().tolist()}


def test_images_as_json(client: httpx.Client, test_digits: Digits) -> None:
    images = test_digits[0][:20]
    expected = DigitClassifier().model.run(images)
    answer = infer(client, image_tensor(images), id="42")
    assert (answer["model_name"], answer["id"]) == ("mnist-edge-int8", "42")
    got = outputs(answer)
    np.testing.assert_array_equal(np.array(got["probabilities"], "f4").reshape(20, 10), expected)
    assert got["digit"] == expected.argmax(axis=1).tolist()
    nested = image_tensor(images) | {"data": images[:, np.newaxis].tolist()}
    assert outputs(infer(client, nested)) == got


def test_chosen_outputs_alone(client: httpx.Client, test_digits: Digits) -> None:
    answer = infer(client, image_tensor(test_digits[0][:2]), outputs=[{"name": "digit"}])
    assert [output["name"] for output in answer["outputs"]] == ["digit"]


def test_pictures_in_base64(client: httpx.Client, samples: Path) -> None:
    contents = [(samples / name).read_bytes() for name in ("7-chalk.jpg", "3-pen.png")]
    texts = [base64.b64encode(content).decode() for content in [*contents, b"no picture"]]
    tensor = {"name": "picture", "datatype": "BYTES", "shape": [3], "data": texts}
    got = outputs(infer(client, tensor))
    assert got["digit"] == [7, 3, -1]
    assert got["error"][:2] == ["", ""]
    assert "not an image" in got["error"][2]
    np.testing.assert_allclose(
        np.reshape(got["probabilities"], (3, 10)).sum(axis=1), [1, 1, 0], 1e-5
    )


def test_client_of_triton(served: Served, test_digits: Digits, samples: Path) -> None:
    """An independent client: JSON and binary tensors, both ways."""
    triton = pytest.importorskip("tritonclient.http")
    client = triton.InferenceServerClient(served.url.removeprefix("http://"))
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("mnist-edge-int8")
    assert client.is_model_ready("mnist-edge-int8", "1")
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    assert client.get_model_metadata("mnist-edge-int8")["platform"] == "onnxruntime_onnx"
    images = test_digits[0][:50, np.newaxis]
    expected = DigitClassifier().model.run(images[:, 0])
    for binary in (True, False):
        tensor = triton.InferInput("image", list(images.shape), "UINT8")
        tensor.set_data_from_numpy(images, binary_data=binary)
        wanted = [
            triton.InferRequestedOutput(name, binary_data=binary)
            for name in ("digit", "error", "probabilities")
        ]
        result = client.infer("mnist-edge-int8", [tensor], outputs=wanted, request_id="a")
        np.testing.assert_array_equal(result.as_numpy("probabilities"), expected)
        np.testing.assert_array_equal(result.as_numpy("digit"), expected.argmax(axis=1))
        assert set(result.as_numpy("error").tolist()) <= {b"", "", b"unsure", "unsure"}
        assert result.get_response()["id"] == "a"
    pictures = [(samples / name).read_bytes() for name in ("7-chalk.jpg", "3-pen.png")]
    tensor = triton.InferInput("picture", [2], "BYTES")
    tensor.set_data_from_numpy(np.array(pictures, dtype=object), binary_data=True)
    result = client.infer("mnist-edge-int8", [tensor])
    assert result.as_numpy("digit").tolist() == [7, 3]


GOOD = image_tensor(np.zeros((1, 28, 28), np.uint8))

CHANGES: list[dict[str, Any]] = [
    {"name": "other"},
    {"name": ["image"]},
    {"datatype": "FP32"},
    {"shape": [1, 28, 28]},
    {"shape": [2, 1, 28, 28]},
    {"shape": [0, 1, 28, 28], "data": []},
    {"shape": [-1, 1, 28, 28]},
    {"shape": [True, 1, 28, 28]},
    {"shape": [1.0, 1, 28, 28]},
    {"shape": 784},
    {"shape": []},
    {"data": [256] * 784},
    {"data": [-1] * 784},
    {"data": [0.5] * 784},
    {"data": ["0"] * 784},
    {"data": [[0], [0, 1]]},
    {"data": None},
    {"data": "0" * 784},
    {"parameters": {"binary_data_size": 784}},
    {"name": "picture", "datatype": "BYTES", "shape": [1], "data": ["?"]},
    {"name": "picture", "datatype": "BYTES", "shape": [1], "data": [1]},
    {"name": "picture", "datatype": "BYTES", "shape": [2], "data": ["AAAA"]},
    {"name": "picture", "datatype": "BYTES", "shape": [1], "data": "AAAA"},
]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"[" * 100_000,
        json.dumps({}).encode(),
        json.dumps({"inputs": [GOOD, GOOD]}).encode(),
        *(json.dumps({"inputs": [GOOD | change]}).encode() for change in CHANGES),
        json.dumps({"inputs": [GOOD], "outputs": [{"name": "logits"}]}).encode(),
        json.dumps({"inputs": [GOOD], "outputs": ["digit"]}).encode(),
        json.dumps({"inputs": [GOOD], "outputs": {"name": "digit"}}).encode(),
    ],
)
def test_wrong_requests_are_refused_in_one_line(body: bytes, client: httpx.Client) -> None:
    response = client.post(f"{MODEL}/infer", content=body)
    assert response.status_code == 400, response.text
    assert "\n" not in response.json()["error"]


@pytest.mark.parametrize("length", ["-1", "x", "1_0", "99999999", "٣"])
def test_wrong_lengths_of_the_head_are_refused(length: str, client: httpx.Client) -> None:
    headers = {b"Inference-Header-Content-Length": length.encode()}
    response = client.post(
        f"{MODEL}/infer", content=json.dumps({"inputs": [GOOD]}), headers=headers
    )
    assert response.status_code == 400


@pytest.mark.parametrize("raw", [b"\xff\xff\xff\xff", b"\x04\x00\x00\x00ab", b"\x01"])
def test_lengths_of_raw_strings_are_checked(raw: bytes, client: httpx.Client) -> None:
    tensor = {
        "name": "picture",
        "datatype": "BYTES",
        "shape": [1],
        "parameters": {"binary_data_size": len(raw)},
    }
    head = json.dumps({"inputs": [tensor]}).encode()
    response = client.post(
        f"{MODEL}/infer",
        content=head + raw,
        headers={"Inference-Header-Content-Length": str(len(head))},
    )
    assert response.status_code == 400


def test_other_models_and_versions_are_not_there(client: httpx.Client) -> None:
    for path in ("/v2/models/other", f"{MODEL}/versions/2", f"{MODEL}/versions/2/ready"):
        response = client.get(path)
        assert response.status_code == 404
        assert "mnist-edge-int8" in response.json()["error"]
    assert client.get(f"{MODEL}/versions/1").status_code == 200
