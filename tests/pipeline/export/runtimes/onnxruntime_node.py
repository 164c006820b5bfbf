"""onnxruntime in Node, in a folder of its own below .matrix, where other releases are too."""

import base64
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(".matrix/onnxruntime-node")
PACKAGE = "onnxruntime-node@1.30.0"

_SCORE = """
const ort = require("onnxruntime-node");
const job = JSON.parse(require("fs").readFileSync(0, "utf8"));
const bytes = text => new Uint8Array(Buffer.from(text, "base64")).buffer;
const arrays = {float32: Float32Array, float64: Float64Array};
const data = ({type, values}) => type === "string" ? values : new arrays[type](bytes(values));
(async () => {
  const session = await ort.InferenceSession.create(new Uint8Array(bytes(job.model)));
  const feeds = {};
  for (const [name, input] of Object.entries(job.inputs))
    feeds[name] = new ort.Tensor(input.type, data(input), input.dims);
  const outputs = await session.run(feeds);
  console.log(JSON.stringify(session.outputNames.map(name => {
    const {buffer, byteOffset, byteLength} = outputs[name].data;
    return Buffer.from(buffer, byteOffset, byteLength).toString("base64");
  })));
})().catch(reason => { console.error(String(reason)); process.exit(1); });
"""


def installed() -> Path:
    """The folder with onnxruntime-node, made where it is missing; else the test is skipped."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("needs node and npm: Debian's packages nodejs and npm")
    if not (FOLDER / "ready").exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        # Its script would fetch what is needed for a GPU.
        command = ["npm", "install", "--ignore-scripts", "--no-save", "--prefix", FOLDER, PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"npm cannot install {PACKAGE}: {done.stderr.strip()[-300:]}")
        (FOLDER / "ready").touch()
    return FOLDER.resolve()


def score(folder: Path, model: bytes, inputs: dict[str, Any]) -> list[np.ndarray]:
    """The outputs of a model file with one value a row, each (n,) float32."""
    job = {"model": base64.b64encode(model).decode(), "inputs": {}}
    for name, values in inputs.items():
        text = values.dtype == object
        job["inputs"][name] = {  # type: ignore[index]
            "type": "string" if text else values.dtype.name,
            "dims": values.shape,
            "values": values.reshape(-1).tolist() if text else _base64(values),
        }
    command = ["node", "-e", _SCORE]
    done = subprocess.run(
        command, input=json.dumps(job), capture_output=True, text=True, cwd=folder, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [np.frombuffer(base64.b64decode(text), "<f4") for text in json.loads(done.stdout)]


def _base64(values: np.ndarray) -> str:
    return base64.b64encode(np.ascontiguousarray(values).tobytes()).decode()
