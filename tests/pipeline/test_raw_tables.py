"""Raw tables through the commands: what is trained from a file is served from files and rows."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from pyarrow import parquet

from export.cli import main as export
from pipeline.raw_tables import TOWNS, labelled, rows_of, write_csv, write_parquet
from serve_runtime import Predictor
from serve_runtime.cli import main as runtime
from train.cli import main as train

FRESH = rows_of(300, seed=1, towns=(*TOWNS, "Bernkastel", " Trier", "U\u0308rzig"))
"""Rows that training has not seen; some of their towns neither."""


def run(command: click.Command, *arguments: object) -> str:
    """What a command prints, which must succeed."""
    result = CliRunner().invoke(command, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that the commands made of a CSV."""
    folder = tmp_path_factory.mktemp("raw")
    write_csv(folder / "table.csv", labelled(rows_of(600, seed=0), seed=2))
    said = run(train, folder / "table.csv", "--target", "bought", "--out", folder / "run")
    assert "C = 1 in scikit-learn" in " ".join(said.split())
    run(export, "bundle", folder / "run", folder / "bundle")
    return folder / "bundle"


@pytest.fixture(scope="module")
def expected(bundle: Path) -> np.ndarray:
    """The probabilities of FRESH, each row alone as a dict."""
    predictor = Predictor(bundle)
    return np.concatenate([predictor.probability([row]) for row in FRESH])


def bits(values: object) -> list[int]:
    found = np.ascontiguousarray(values)
    assert found.dtype == np.float32
    return found.view(np.uint32).tolist()


def test_every_kind_of_column_was_found(bundle: Path) -> None:
    columns = {column.name: column for column in Predictor(bundle).card.columns}
    assert {name: (c.kind, c.missing) for name, c in columns.items()} == {
        "age": ("number", "indicator"),
        "town": ("category", "error"),
        "member": ("number", "indicator"),
        "plan": ("category", "level"),
        "income": ("number", "error"),
        "seen": ("precise", "error"),
    }
    assert set(columns["town"].levels) == set(TOWNS)


def test_the_bundle_is_verified_and_tests_itself(bundle: Path) -> None:
    assert "every contract holds" in run(export, "verify", bundle)
    assert "8 golden rows within budget" in run(runtime, "selftest", bundle)


@pytest.mark.parametrize("written", ["csv", "parquet"])
@pytest.mark.parametrize("given", ["csv", "parquet"])
def test_files_have_the_bits_of_rows(
    bundle: Path, expected: np.ndarray, tmp_path: Path, given: str, written: str
) -> None:
    table, scores = tmp_path / f"fresh.{given}", tmp_path / f"scores.{written}"
    (write_csv if given == "csv" else write_parquet)(table, FRESH)
    run(runtime, "score", bundle, table, "-o", scores, "--keep", "town")
    if written == "parquet":
        found = parquet.read_table(scores)
        towns, probability = found.column("town").to_pylist(), found.column("probability")
        labels, probability = found.column("label").to_pylist(), probability.to_numpy()
    else:
        with scores.open(newline="", encoding="utf-8") as file:
            lines = list(csv.DictReader(file))
        towns, labels = ([line[name] for line in lines] for name in ("town", "label"))
        probability = np.array([line["probability"] for line in lines]).astype(np.float32)
    assert bits(probability) == bits(expected)
    assert towns == [row["town"] for row in FRESH]
    assert labels == Predictor(bundle).predict(FRESH).tolist()


def test_rows_in_one_call_have_the_bits_of_each(bundle: Path, expected: np.ndarray) -> None:
    predictor = Predictor(bundle, threads=2)
    for rows in (FRESH, [list(row.values()) for row in FRESH]):
        assert bits(predictor.probability(rows)) == bits(expected)


BLOCKED = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        package = name.partition(".")[0]
        if package in {used!r}:
            raise SystemExit(f"{{name}} is imported where a model is served")
        if package in {absent!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""
"""Some packages end the program where they are imported, others are not there."""

SERVING = """
import json
import numpy as np
from serve_runtime import Predictor

rows = json.loads(sys.stdin.read())
predictor = Predictor(sys.argv[1])
columns = {name: [row[name] for row in rows] for name in rows[0]}
arrays = {
    "age": np.array(columns["age"], np.float64),
    "town": np.array(columns["town"]),
    "member": np.array(columns["member"], object),
    "plan": np.array(columns["plan"], object),
    "income": np.array(columns["income"]),
    "seen": np.array(columns["seen"], np.int64),
}
structured = np.empty(len(rows), [(name, a.dtype) for name, a in arrays.items()])
for name, array in arrays.items():
    structured[name] = array
kinds = [rows, columns, arrays, structured, [list(row.values()) for row in rows]]
print(*(predictor.probability(kind).tobytes().hex() for kind in kinds), sep="\\n")
alone = [predictor.probability([row]).tobytes() for row in rows]
print(b"".join(alone).hex())
print(predictor.selftest().identical)
"""

FILES = """
from pathlib import Path
from serve_runtime import Predictor, score_file

for kind in ("csv", "parquet"):
    score_file(Predictor(sys.argv[1]), Path(f"fresh.{kind}"), Path(f"{kind} scores.parquet"))
"""


def serve(code: str, bundle: Path, folder: Path, absent: tuple[str, ...] = ()) -> str:
    """What a program prints that has the runtime, but neither torch nor onnx, nor the rest of this
    project, nor `absent`."""
    used = ("train", "export", "benchmarks", "torch", "onnx", "sklearn", "scipy")
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED.format(used=used, absent=absent) + code, str(bundle)],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        input=json.dumps(FRESH),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("absent", [(), ("pyarrow", "pandas", "polars")])
def test_rows_are_served_by_the_runtime_alone(
    bundle: Path, expected: np.ndarray, tmp_path: Path, absent: tuple[str, ...]
) -> None:
    *found, identical = serve(SERVING, bundle, tmp_path, absent).split()
    assert found == [expected.tobytes().hex()] * 6
    assert identical == "True"


def test_files_are_served_by_the_runtime_alone(
    bundle: Path, expected: np.ndarray, tmp_path: Path
) -> None:
    write_csv(tmp_path / "fresh.csv", FRESH)
    write_parquet(tmp_path / "fresh.parquet", FRESH)
    serve(FILES, bundle, tmp_path)
    for kind in ("csv", "parquet"):
        found = parquet.read_table(tmp_path / f"{kind} scores.parquet")
        assert bits(found.column("probability").to_numpy()) == bits(expected)
