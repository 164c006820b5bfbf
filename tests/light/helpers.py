"""What several test files build: rows with known logits, edited model files, other processes."""

import csv
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime as ort
import pytest

from serve_runtime import ArtifactError, CardError, ModelCard, Predictor
from serve_runtime.bundle.card import CARD_KEY
from serve_runtime.bundle.manifest import FileEntry, Manifest
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.error_budgets import sigmoid
from serve_runtime.inference.inner_blocks import least_rows


def not_under_emulation(reason):
    """A mark that skips a test on an emulated processor (`make parity-machines`), and says why."""
    return pytest.mark.skipif("EMULATED_CPU" in os.environ, reason=f"emulated: {reason}")


TINY = Path(__file__).parent / "tiny"
NAMES = ("x1", "x2")
TABLE = "id,x1,x2\n00123,1,2\nNA,3.5,1\n,6,3\n"

# The products w·2⁴⁰ are exact, and the bias is less than half a unit in their last place.
_FAR = np.float32(2.0**40)


def parameters(predictor):
    """The model's own float32 weights (2,) and bias, read off its logits."""
    weight = predictor.decision_function(np.eye(2, dtype=np.float32) * _FAR) / _FAR
    return weight, predictor.decision_function(np.zeros((1, 2), np.float32))[0]


def rows_at(predictor, *logits):
    """Float32 rows (n, 2) along the weights whose logits are `logits`, within rounding."""
    weight, bias = (np.float64(value) for value in parameters(predictor))
    steps = (np.array(logits) - bias) / (weight @ weight)
    return np.outer(steps, weight).astype(np.float32)


def moved(golden, by):
    """A golden row whose logit is off by `by`, and its probability with it."""
    logit = np.array([golden.logit + by], np.float32)
    return replace(golden, logit=float(logit[0]), probability=float(sigmoid(logit)[0]))


def assert_same_bits(left, right):
    assert left.dtype == right.dtype == np.float32
    np.testing.assert_array_equal(left.view(np.uint32), right.view(np.uint32))


def file_scores(bundle, rows, layout="rows"):
    """Logit and probability (n,) of `rows` (n, d) from a plain session on the file of `layout`."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # or each thread would sum a batch of its own
    session = ort.InferenceSession(bundle / MODEL_FILES[layout], options)
    # Its bits are the same in every batch of a multiple of 4, and of more rows without AVX.
    filled = max(least_rows(rows.shape[1]), len(rows) + -len(rows) % 4)
    taken = np.vstack([rows, np.zeros((filled - len(rows), rows.shape[1]), np.float32)])
    if layout == "columns":
        taken = np.ascontiguousarray(taken.T)
    answers = session.run(["logit", "probability"], {session.get_inputs()[0].name: taken})
    return [answer.reshape(-1)[: len(rows)] for answer in answers]


def varint(value):
    low, high = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(high) if high else bytes([low])


def field(number, payload):
    """A length-delimited field of a protobuf message."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def card_field(text):
    """The metadata_props field of an ONNX file that holds the card `text`."""
    value = text.encode() if isinstance(text, str) else text
    return field(14, field(1, CARD_KEY.encode()) + field(2, value))


def graph_of(content, card):
    """The bytes of an ONNX file without its card."""
    own = card_field(card.to_json())
    assert content.count(own) == 1
    return content.replace(own, b"")


def write_model(path, card, *, layout="rows", text=None):
    """The tiny graph of `layout` with another card, or with any `text` in the card's place."""
    content = (TINY / MODEL_FILES[layout]).read_bytes()
    graph = graph_of(content, tiny_card())
    path.write_bytes(graph + card_field(card.to_json() if text is None else text))
    return path


def tiny_card():
    content = (TINY / "model.onnx").read_bytes()
    start = content.index(b'{"', content.index(CARD_KEY.encode()))
    return ModelCard.from_json(content[start : content.rindex(b"}") + 1].decode())


def reseal(bundle, **versions):
    """Write the manifest that fits whatever now lies in `bundle`."""
    found = {p.name: FileEntry.of(p.read_bytes()) for p in bundle.iterdir() if p.suffix != ".json"}
    (bundle / "MANIFEST.json").write_text(Manifest(found, versions).to_json())


def flipped(content, position, mask=0xFF):
    changed = bytearray(content)
    changed[position] ^= mask
    return bytes(changed)


def run_python(*arguments, cwd, **environment):
    """A fresh interpreter; a variable given as None is removed from its environment."""
    merged = {**os.environ, **environment}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={name: value for name, value in merged.items() if value is not None},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def column(name, path):
    """The texts of one column of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return [row[name] for row in csv.DictReader(file)]


def accepted(target, contents, model):
    """Which of `contents`, written to `target`, the Predictor of `model` does not refuse."""
    passed = []
    for number, content in enumerate(contents):
        target.write_bytes(content)
        try:
            Predictor(model)
        except (ArtifactError, CardError):
            continue
        passed.append(number)
    return passed
