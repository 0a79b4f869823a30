"""What the server answers is what the command line prints, and keeps to its own description."""

from __future__ import annotations

import base64
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest
from PIL import Image

from mnist_edge import DigitClassifier
from tests.conftest import Cli, Digits

PICTURES = ["7-chalk.jpg", "3-pen.png", "0-mnist.png"]


def rows_of_command(run: Cli, command: str, *arguments: str) -> list[dict[str, Any]]:
    done = run(command, "--format", "jsonl", *arguments)
    return [json.loads(line) for line in done.stdout.splitlines()]


def without_path(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "path"}


@pytest.mark.parametrize("name", PICTURES)
def test_row_is_that_of_the_command_line(
    name: str, client: httpx.Client, samples: Path, cli: Cli
) -> None:
    response = client.post("/predict?top_k=3", content=(samples / name).read_bytes())
    (expected,) = rows_of_command(cli, "predict", "--top-k", "3", str(samples / name))
    assert response.status_code == 200
    assert response.json()["path"] == "-"
    assert without_path(response.json()) == without_path(expected)


def test_form_gives_rows_in_order_with_names(client: httpx.Client, samples: Path) -> None:
    files = [("f", (name, (samples / name).read_bytes())) for name in PICTURES]
    files.insert(1, ("f", ("notes.txt", b"not a picture")))
    rows = client.post("/predict", files=files).json()
    assert [row["path"] for row in rows] == [PICTURES[0], "notes.txt", *PICTURES[1:]]
    assert [row["digit"] for row in rows] == [7, None, 3, 0]
    assert rows[1]["error"].startswith("notes.txt: ")


def test_numbers_are_those_of_the_command_line(
    client: httpx.Client, samples: Path, cli: Cli
) -> None:
    pictures = sorted((samples / "numbers").glob("*.jpg"))[:4]
    files = [("f", (path.name, path.read_bytes())) for path in pictures]
    rows = client.post("/read?alternatives=2", files=files).json()
    expected = rows_of_command(cli, "read", "--alternatives", "2", *map(str, pictures))
    assert [without_path(row) for row in rows] == [without_path(row) for row in expected]


def test_constraints_hold_for_one_request_alone(client: httpx.Client, samples: Path) -> None:
    content = next(iter(sorted((samples / "numbers").glob("*.jpg")))).read_bytes()
    free = client.post("/read", content=content).json()["text"]
    wrong = "9" * len(free)
    row = client.post("/read", params={"choices": [wrong, free]}, content=content).json()
    assert row["text"] == free
    row = client.post("/read", params={"length": "19"}, content=content).json()
    assert row["text"] is None
    assert "--length" in row["error"]
    assert client.post("/read", content=content).json()["text"] == free


def test_preprocessed_is_what_the_network_sees(client: httpx.Client, samples: Path) -> None:
    content = (samples / "6-card.jpg").read_bytes()
    row = client.post("/predict?preprocessed=true", content=content).json()
    with Image.open(io.BytesIO(base64.b64decode(row["preprocessed"]))) as image:
        seen = np.asarray(image)
    expected = DigitClassifier().predict(content).image
    assert expected is not None
    np.testing.assert_array_equal(seen, expected)


def test_threshold_holds_for_one_request_alone(client: httpx.Client, samples: Path) -> None:
    content = (samples / "7-chalk.jpg").read_bytes()
    row = client.post("/predict?min_confidence=1", content=content).json()
    assert row["digit"] is None
    assert "unsure" in row["error"]
    assert client.post("/predict", content=content).json()["digit"] == 7


def png(levels: Any, size: tuple[int, int] = (28, 28)) -> bytes:
    file = io.BytesIO()
    Image.new("L", size, levels).save(file, "PNG")
    return file.getvalue()


def archive(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as zipped:
        zipped.writestr("7.png", content)
    return file.getvalue()


@pytest.mark.parametrize("path", ["/predict", "/read"])
def test_blank_picture_is_a_row_without_an_answer(path: str, client: httpx.Client) -> None:
    response = client.post(path, content=png(255))
    assert response.status_code == 200
    assert "no digit found" in response.json()["error"]


@pytest.mark.parametrize("path", ["/predict", "/read"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello", "not an image"),
        (b"\xff\xd8\xff\xe0 damaged", "damaged"),
        (archive(png(0)), "-: "),
        (b"%!PS-Adobe-3.0\n", "PostScript"),
        (png(0, (8_000, 8_000)), "pixels"),
    ],
    ids=["text", "damaged", "archive", "postscript", "large"],
)
def test_what_is_no_picture_is_refused(
    path: str, content: bytes, message: str, client: httpx.Client
) -> None:
    response = client.post(path, content=content)
    assert response.status_code == 415
    error = response.json()["error"]
    assert message in error
    assert "\n" not in error


def test_header_of_a_huge_picture_is_enough(client: httpx.Client) -> None:
    content = bytearray(png(0))
    content[16:24] = (30_000).to_bytes(4, "big") * 2
    response = client.post("/predict", content=bytes(content))
    assert (response.status_code, "30000 x 30000" in response.json()["error"]) == (415, True)


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("top_k=0", "top_k"),
        ("top_k=1.5", "top_k"),
        ("top_k=x", "top_k"),
        ("min_confidence=2", "min_confidence"),
        ("min_confidence=nan", "min_confidence"),
        ("preprocessed=perhaps", "preprocessed"),
        ("top_k=1&top_k=2", "top_k"),
        ("url=http://example.com/7.png", "url"),
    ],
)
def test_wrong_query_is_refused(query: str, name: str, client: httpx.Client) -> None:
    response = client.post(f"/predict?{query}", content=png(0))
    assert response.status_code == 400
    assert response.json()["error"].startswith(f"{name}: ")


@pytest.mark.parametrize("query", ["length=x", "pattern=(", "choices=abc", "alternatives=99"])
def test_wrong_constraint_is_refused(query: str, client: httpx.Client) -> None:
    response = client.post(f"/read?{query}", content=png(0))
    assert response.status_code == 400
    assert "\n" not in response.json()["error"]


def test_forms_without_files_and_damaged_ones_are_refused(client: httpx.Client) -> None:
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    field = b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n'
    for content, headers in (
        (field, kind),
        (b"nothing of the kind", kind),
        (field, {"Content-Type": "multipart/form-data"}),
        (b"--x\r\nContent-Disposition: form-data\r\n\r\nb\r\n--x--\r\n", kind),
    ):
        response = client.post("/predict", content=content, headers=headers)
        assert response.status_code == 400, content
        assert "form" in response.json()["error"]


def test_too_many_pictures_are_refused(client: httpx.Client) -> None:
    files = [("f", (f"{number}.png", png(0))) for number in range(65)]
    assert client.post("/predict", files=files[:64]).status_code == 200
    response = client.post("/predict", files=files)
    assert response.status_code == 413


def test_metrics_count_what_was_answered(client: httpx.Client, samples: Path) -> None:
    def value(name: str) -> float:
        lines = dict(
            line.rsplit(" ", 1)
            for line in client.get("/metrics").text.splitlines()
            if not line.startswith("#")
        )
        return float(lines.get(name, 0))

    names = {
        "requests": 'mnist_edge_requests_total{path="/predict",status="200"}',
        "seconds": 'mnist_edge_request_seconds_count{path="/predict"}',
        "sevens": 'mnist_edge_digits_total{digit="7"}',
        "rejected": 'mnist_edge_rejected_total{task="predict"}',
        "bytes": "mnist_edge_received_bytes_total",
    }
    before = {key: value(name) for key, name in names.items()}
    content = (samples / "7-chalk.jpg").read_bytes()
    client.post("/predict", content=content)
    client.post("/predict", content=png(255))
    after = {key: value(name) for key, name in names.items()}
    assert {key: after[key] - before[key] for key in after} == {
        "requests": 2,
        "seconds": 2,
        "sevens": 1,
        "rejected": 1,
        "bytes": len(content) + len(png(255)),
    }
    assert value("process_resident_memory_bytes") > 1e7


def test_metrics_are_prometheus_text(client: httpx.Client) -> None:
    parser = pytest.importorskip("prometheus_client.parser")
    client.get("/health")
    families = list(parser.text_string_to_metric_families(client.get("/metrics").text))
    kinds = {family.name: family.type for family in families}
    assert kinds["mnist_edge_requests"] == "counter"
    assert kinds["mnist_edge_request_seconds"] == "histogram"


def test_responses_keep_to_the_description(client: httpx.Client, samples: Path) -> None:
    document = client.get("/openapi.json").json()
    content = (samples / "7-chalk.jpg").read_bytes()
    number = next(iter(sorted((samples / "numbers").glob("*.jpg")))).read_bytes()
    name = client.get("/model").json()["model"]["name"]
    image = {"name": "image", "datatype": "UINT8", "shape": [1, 1, 28, 28], "data": [0] * 784}
    responses = {
        ("/predict", "post"): client.post("/predict?top_k=2&preprocessed=true", content=content),
        ("/read", "post"): client.post("/read", files={"a": ("a.jpg", number)}),
        ("/model", "get"): client.get("/model"),
        ("/health", "get"): client.get("/health"),
        ("/ready", "get"): client.get("/ready"),
        ("/v2", "get"): client.get("/v2"),
        ("/v2/health/live", "get"): client.get("/v2/health/live"),
        ("/v2/health/ready", "get"): client.get("/v2/health/ready"),
        ("/v2/models/{name}", "get"): client.get(f"/v2/models/{name}"),
        ("/v2/models/{name}/ready", "get"): client.get(f"/v2/models/{name}/ready"),
        ("/v2/models/{name}/infer", "post"): client.post(
            f"/v2/models/{name}/infer", json={"inputs": [image]}
        ),
    }
    for (path, method), response in responses.items():
        assert response.status_code == 200, path
        answer = document["paths"][path][method]["responses"]["200"]
        schema = answer["content"]["application/json"]["schema"]
        jsonschema.validate(
            response.json(),
            schema | {"components": document["components"]},
            cls=jsonschema.Draft202012Validator,
        )
    refused = client.post("/predict?top_k=0", content=content)
    schema = document["components"]["schemas"]["Error"]
    jsonschema.validate(refused.json(), schema)


def test_digits_of_the_test_set(client: httpx.Client, test_digits: Digits) -> None:
    """The whole road, against labels: as many right as the model card says, within noise."""
    images, labels = test_digits
    right = 0
    for start in range(0, 320, 64):
        files = []
        for place in range(start, start + 64):
            file = io.BytesIO()
            Image.fromarray(images[place]).save(file, "PNG")
            files.append(("f", (str(place), file.getvalue())))
        rows = client.post("/predict?min_confidence=0", files=files).json()
        right += sum(row["digit"] == labels[int(row["path"])] for row in rows)
    assert right >= 316


@pytest.mark.parametrize(
    "query", ["", "?top_k=3", "?preprocessed=true", "?min_confidence=1", "?min_confidence=0"]
)
def test_a_body_gets_the_row_of_a_form(
    query: str, client: httpx.Client, test_digits: Digits
) -> None:
    """Also those that are predicted without a thread: small PNGs in MNIST's form."""
    images = list(test_digits[0][:8])
    images += [255 - images[0], np.roll(images[1], 3, axis=0), images[2][2:], images[3] // 8]
    images += [np.zeros((28, 28), np.uint8), np.full((28, 28), 255, np.uint8)]
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image).save(file, "PNG")
        row = client.post(f"/predict{query}", content=file.getvalue()).json()
        (other,) = client.post(f"/predict{query}", files={"f": ("-", file.getvalue())}).json()
        assert row == other
