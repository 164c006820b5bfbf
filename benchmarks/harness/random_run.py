"""Run folders with random weights, of any width: models for tests and benchmarks, untrained."""

from pathlib import Path

import numpy as np

from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.column import number_columns
from train import run_folder
from train.standardize import Moments, Scaling
from train.trained import Trained


def random_run(
    folder: Path,
    width: int,
    seed: int = 0,
    spread: float = 1.0,
    offset: float = 0.0,
    *,
    standardize: bool = False,
    constant: bool = False,
) -> Path:
    """Write a run folder with random weights, as if it had been trained on 300 random rows.

    Each feature has a scale of its own, log-normal with deviation `spread`, and `offset` for its
    mean; the weights make logits of about unit size. With `standardize` they are weights on
    standardised features, which export folds or subtracts first; with `constant` too, the last
    feature never changes, so that standardisation takes its weight away.
    """
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.normal(size=width) * spread)
    features = (offset + rng.normal(size=(width, 300)) * scale[:, None]).astype(np.float32)
    if constant:
        features[-1] = offset
    scaling = Scaling.of(Moments.of(features)) if standardize else Scaling.none(width)
    unit = np.ones(width) if standardize else scale
    weight = (rng.normal(size=width) / unit / np.sqrt(width)).astype(np.float32)
    trained = Trained(weight, float(np.float32(rng.normal())), scaling)
    folded = trained.affine()
    card = ModelCard(
        columns=number_columns(
            (f"c{i}" for i in range(width)),
            map(float, features.min(1)),
            map(float, features.max(1)),
        ),
        classes=("no", "yes"),
        weights_sha256=folded.sha256(),
        training={"versions": {}},
    )
    folder.mkdir(parents=True)
    run_folder.write(
        folder,
        trained=trained,
        sample=run_folder.sample_rows(features),
        card=card,
        metrics={},
        weights={},
        training={},
    )
    return folder
