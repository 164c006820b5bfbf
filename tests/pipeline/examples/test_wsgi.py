"""examples/wsgi.py: over HTTP on loopback, and its application called as a WSGI server does."""

import io
import json
import logging
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipeline.docs.documented import ROOT
from serve_runtime import Predictor

EXAMPLE = ROOT / "examples" / "wsgi.py"
BUNDLE = "bundles/breast-cancer"


@pytest.fixture(scope="module")
def rows(folder: Path) -> list[dict[str, float]]:
    card = Predictor(folder / BUNDLE).card
    return [
        dict(zip(card.feature_names, values, strict=True))
        for values in (card.feature_min, card.feature_max)
    ]


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[HTTPConnection]:
    process = subprocess.Popen(
        [sys.executable, str(EXAMPLE), BUNDLE, "0"],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        assert process.stdout is not None
        port = int(process.stdout.readline().rsplit(":", 1)[1])
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        yield connection
        connection.close()
        process.terminate()


def ask(server: HTTPConnection, method: str, path: str, body: str | None = None) -> tuple[int, Any]:
    server.request(method, path, body)
    response = server.getresponse()
    assert response.getheader("Content-Type") == "application/json"
    return response.status, json.loads(response.read())


def test_rows_are_scored(
    server: HTTPConnection, folder: Path, rows: list[dict[str, float]]
) -> None:
    predictor = Predictor(folder / BUNDLE)
    status, answer = ask(server, "POST", "/score", json.dumps(rows))
    assert status == 200
    assert answer["label"] == predictor.predict(rows).tolist() == ["benign", "malignant"]
    assert np.array_equal(np.float32(answer["probability"]), predictor.probability(rows))


def test_rows_without_names_are_in_column_order(
    server: HTTPConnection, rows: list[dict[str, float]]
) -> None:
    status, answer = ask(server, "POST", "/score", json.dumps([list(row.values()) for row in rows]))
    assert (status, answer["label"]) == (200, ["benign", "malignant"])


def test_no_rows_give_no_scores(server: HTTPConnection) -> None:
    assert ask(server, "POST", "/score", "[]") == (200, {"probability": [], "label": []})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ("{row}", "the body must be a list of rows: [{…}, …]; got dict"),
        ("3", "the body must be a list of rows: [{…}, …]; got int"),
        ("", "the body must be JSON, at most 10,000,000 bytes: Expecting value"),
        ("[{row}", "the body must be JSON"),
        ("[" * 100_000, "the body must be JSON, at most 10,000,000 bytes: maximum recursion"),
        ('[{"radius": 1}]', "row 0: the model needs 30 named features; missing: 'mean radius', "),
        (
            "[[1, 2]]",
            "x must have 30 features per row ('mean radius', 'mean texture', 'mean perimeter'",
        ),
        ("[{row}, [1]]", "row 1 must have names, as other rows have; got list"),
        ("[{row}, {null}]", "row 1, feature 'mean texture' is missing (NaN)"),
        ("[{row}, {huge}]", "row 1, feature 'mean texture' is inf as float32"),
        ("[{text}]", "x must be numeric; got the text"),
    ],
)
def test_a_bad_body_is_told_as_400(
    server: HTTPConnection, rows: list[dict[str, float]], body: str, error: str
) -> None:
    for name, value in (("null", None), ("huge", 1e300), ("text", "12")):
        body = body.replace(f"{{{name}}}", json.dumps({**rows[0], "mean texture": value}))
    body = body.replace("{row}", json.dumps(rows[0]))
    status, answer = ask(server, "POST", "/score", body)
    assert status == 400
    assert answer["error"].startswith(error)


def test_health_and_unknown_paths(server: HTTPConnection) -> None:
    assert ask(server, "GET", "/health") == (200, {"status": "ok"})
    for method, path in (("GET", "/score"), ("POST", "/health"), ("GET", "/")):
        status, answer = ask(server, method, path)
        assert (status, answer["error"]) == (404, "ask for POST /score or GET /health")


def test_a_bundle_that_breaks_leaves_the_old_model(
    folder: Path,
    tmp_path: Path,
    rows: list[dict[str, float]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(folder / BUNDLE, bundle)
    example = runpy.run_path(str(EXAMPLE))
    application = example["Application"](str(bundle))
    before = call(application, rows)
    (bundle / "model.onnx").write_bytes(b"broken")
    assert call(application, rows) == before
    assert not caplog.records  # it is not time to look at the bundle again
    application.next_reload = 0.0
    with caplog.at_level(logging.ERROR):
        assert call(application, rows) == before
    (record,) = caplog.records
    assert record.message == "the bundle cannot be loaded; the model loaded before serves on"
    assert record.exc_info is not None
    assert "model.onnx" in str(record.exc_info[1])


def call(application: Any, rows: list[dict[str, float]]) -> Any:
    """The answer of the WSGI callable to POST /score, which must be 200."""
    body, statuses = json.dumps(rows).encode(), []
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/score",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
    }
    (answer,) = application(environ, lambda status, headers: statuses.append(status))
    assert statuses == ["200 OK"]
    return json.loads(answer)
