"""A run folder and a bundle as what a report is made of; whether the bundle is what was proven."""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from export import certificate
from export.errors import BundleError
from export.formats.registry import ARTIFACT_NAMES
from report.source import BundleParts, Source
from serve_runtime.bundle.card import WEIGHTS_PER_DEVIATION, ModelCard
from serve_runtime.bundle.manifest import CERTIFICATE, MANIFEST, Manifest, read_bytes
from serve_runtime.bundle.model_file import no_bundle, read_models
from serve_runtime.bundle.replaced import read_replaced
from serve_runtime.errors import ArtifactError, CardError, ServeError
from serve_runtime.shown import listed, message
from train.errors import RunError
from train.persistence import history, run_folder
from train.persistence.run_folder import Run
from train.trained import Trained


def read_source(run: Path, bundle: Path | None = None) -> Source:
    """What a report tells of the folder `run`, and of `bundle` where there is one.

    Raises RunError for a folder that is no run, and ArtifactError for one that is no bundle; a
    bundle that is not what was proven is told in `BundleParts.problem`. The card is the run's, with
    the threshold of a bundle that was exported with another one.
    """
    source = read_replaced(run, _read_run)
    if bundle is None:
        return source
    if not (bundle / MANIFEST).is_file():
        raise no_bundle(bundle, "name a folder that `python -m export bundle` wrote")
    return read_replaced(bundle, lambda folder: _with_bundle(source, folder))


def _read_run(folder: Path) -> Source:
    run: Run = run_folder.read(folder)
    metrics = run_folder.read_metrics(folder)
    _require_columns(folder / run_folder.METRICS, metrics, run.card.feature_names)
    return Source(
        folder,
        metrics,
        _history(folder),
        run.card.training["recipe"],  # that of recipe.toml, which nothing seals
        run.card,
        run.trained,
        run.sample,
        run_folder.read_profile(folder),
    )


def _require_columns(path: Path, metrics: Mapping[str, Any], names: Sequence[str]) -> None:
    """Raise RunError unless metrics.json tells of every column, as runs of earlier versions do
    not."""
    for key in ("importance", WEIGHTS_PER_DEVIATION):
        if not isinstance(found := metrics.get(key), Mapping) or found.keys() != set(names):
            raise RunError(f"{path} does not tell the {key} of each column: train again")


def _history(folder: Path) -> list[Mapping[str, float]]:
    path = folder / run_folder.HISTORY
    try:
        text = read_bytes(path).decode("utf-8", errors="replace")
    except ArtifactError as reason:
        raise RunError(f"{folder} is not a run: {reason}; train again") from None
    try:
        lines = list(csv.reader(text.splitlines(), strict=True))
        names, rows = tuple(lines[0]) if lines else (), lines[1:]
        if names not in (history.COLUMNS, history.COLUMNS + history.VALIDATION_COLUMNS):
            raise ValueError(f"its columns are not {', '.join(history.COLUMNS)}")
        if not rows:
            raise ValueError("it has no lines")
        return [dict(zip(names, map(float, row), strict=True)) for row in rows]
    except (ValueError, csv.Error) as reason:
        raise RunError(f"{path} is not what training wrote ({reason}): train again") from None


def _with_bundle(source: Source, folder: Path) -> Source:
    files = {path.name: path.stat().st_size for path in sorted(folder.iterdir()) if path.is_file()}
    document: Mapping[str, Any] = {}
    card, problem = source.card, ""
    try:
        issued = certificate.read(folder / CERTIFICATE)
        document = json.loads(read_bytes(folder / CERTIFICATE))
        certificate.scorer_figures(document)  # which the page tells
        _require_files(folder, issued, files)
        served = read_models(folder)[0].card
        _require_same_model(folder, issued.trained, served, source)
        card = replace(card, threshold=served.threshold)
    except (ArtifactError, BundleError, CardError) as reason:
        problem = message(str(reason))
    except (OSError, ServeError) as reason:
        problem = message(f"{folder} cannot be read: {reason}")
    return replace(source, card=card, bundle=BundleParts(folder, document, files, problem))


def _require_files(folder: Path, issued: certificate.Certificate, files: Mapping[str, int]) -> None:
    """Raise ArtifactError or BundleError unless the files are those that were proven, and all."""
    manifest, expected = Manifest.read(folder), {*ARTIFACT_NAMES, CERTIFICATE}
    for names, problem in (
        (expected - manifest.files.keys(), "not listed in the manifest"),
        (expected - files.keys(), "missing"),
        (files.keys() - expected - {MANIFEST}, "not part of a bundle"),
    ):
        if names:
            raise BundleError(f"{folder}: {listed(sorted(names))}: {problem}; export again")
    for name in sorted(expected):
        manifest.read_file(folder, name)
    found = {name: manifest.files[name].sha256 for name in ARTIFACT_NAMES}
    certificate.require_files(folder / CERTIFICATE, issued, found)


def _require_same_model(folder: Path, proven: Trained, card: ModelCard, source: Source) -> None:
    """Raise BundleError unless the model that was proven is that of the run, by its weights and by
    what its columns and labels are called."""
    same = (card.columns, card.classes) == (source.card.columns, source.card.classes) and all(
        np.array_equal(ours, theirs)
        for ours, theirs in (
            (proven.weight, source.trained.weight),
            (proven.scaling.mean, source.trained.scaling.mean),
            (proven.scaling.scale, source.trained.scaling.scale),
        )
    )
    if not same or proven.bias != source.trained.bias:
        raise BundleError(
            f"{folder} is the bundle of another run than {source.folder}: its columns or weights "
            f"are others; export this run, or name the run that it was made of"
        )
