"""Sources of reports, as runs and bundles have them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from report.source import BundleParts, Source
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.model_file import MODEL_FILES
from serve_runtime.bundle.onnx_graph import write_model
from train.persistence import run_folder


def source_of(
    run: Path,
    bundle: BundleParts | None = None,
    *,
    recipe: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
) -> Source:
    found = run_folder.read(run)
    return Source(
        run, metrics or {}, [], recipe or {}, found.card, found.trained, found.sample, None, bundle
    )


def graphs_of(run: Path, folder: Path, problem: str = "") -> BundleParts:
    """A bundle of the ONNX graphs of `run` alone."""
    trained = run_folder.read(run).trained
    folder.mkdir()
    for layout in (ROWS, COLUMNS):
        content = write_model(trained.affine(), layout, trained.encoding())
        (folder / MODEL_FILES[layout]).write_bytes(content)
    return BundleParts(folder, {}, {}, problem)
