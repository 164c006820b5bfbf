"""Sources of a report that the tests make, without training."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness.random_run import random_mixed
from report.source import Source
from serve_runtime.bundle.card import WEIGHTS_PER_DEVIATION, ModelCard
from serve_runtime.features.column import Column, number_columns
from serve_runtime.features.encoding import sha256_of
from serve_runtime.features.raw_rows import RawRows
from train.design import Design
from train.persistence.run_folder import Sample
from train.standardize import Scaling
from train.trained import Trained


def source_of(trained: Trained, card: ModelCard, sample: Sample, **more: Any) -> Source:
    """A source of a model; `more` are the metrics and the profile."""
    return Source(
        folder=Path("run"),
        metrics=more.get("metrics", {}),
        history=(),
        recipe={},
        card=card,
        trained=trained,
        sample=sample,
        profile=more.get("profile"),
    )


def numeric(
    names: Sequence[str] = ("a", "b", "c"),
    weight: Sequence[float] | None = None,
    *,
    rows: int = 50,
    threshold: float = 0.5,
    classes: tuple[str, str] = ("no", "yes"),
    **more: Any,
) -> Source:
    """A model of plain numbers, of mean 10 and deviation 2, and rows of it."""
    rng = np.random.default_rng(0)
    width = len(names)
    chosen = np.array(rng.normal(size=width) if weight is None else weight, np.float32)
    trained = Trained(chosen, -0.5, Scaling(np.full(width, 10.0), np.full(width, 2.0)))
    sample = (10 + 2 * rng.normal(size=(rows, width))).astype(np.float32)
    columns = number_columns(names, [0.0] * width, [20.0] * width)
    card = ModelCard(columns, classes, trained.affine().sha256(), threshold)
    metrics = {
        "importance": dict(zip(names, (0.8 * abs(chosen)).tolist(), strict=True)),
        WEIGHTS_PER_DEVIATION: dict(zip(names, chosen.tolist(), strict=True)),
        **more.pop("metrics", {}),
    }
    return source_of(trained, card, sample, metrics=metrics, **more)


def mixed(bent: Collection[int] = (0, 4), **more: Any) -> Source:
    """A model of numbers with gaps, precise and bent ones, and categories, and rows of it."""
    trained, card, rows = random_mixed(bent=bent)
    return source_of(trained, card, rows, **more)


def of_levels(
    levels: Mapping[str, float], name: str = "town", counts: Sequence[int] | None = None
) -> Source:
    """A model of one category, whose levels have these weights around their mean."""
    texts = sorted(levels)
    each = tuple(counts or [10] * len(texts))
    column = Column(name, "category", levels=tuple(texts), counts=each)
    design = Design((column,), np.empty(0), np.empty(0))
    weight = np.array([levels[text] for text in texts], np.float32)
    trained = Trained(weight, 0.25, Scaling(np.empty(0), np.empty(0)), design)
    card = ModelCard((column,), ("no", "yes"), sha256_of(trained.affine(), trained.encoding()))
    rows = RawRows(np.empty((0, len(texts[:100]))), (tuple(texts[:100]),))
    return source_of(trained, card, rows)


def profile(**parts: Mapping[str, Any] | None) -> dict[str, Any]:
    """A profile with the scores of parts of the rows, each as `scores` gives it."""
    found = {"training": None, "holdout": None, **parts}
    classes = {
        part: scores and [sum(scores["negative"]), sum(scores["positive"])]
        for part, scores in found.items()
    }
    return {"columns": [], "classes": classes, "scores": found}


def scores(logit: Any, label: Any) -> dict[str, list[float]]:
    """The scores of rows of these logits (n,) and labels (n,), 0 or 1."""
    distinct, place = np.unique(np.asarray(logit, np.float64), return_inverse=True)
    positive = np.bincount(place, np.asarray(label, float), len(distinct))
    count = np.bincount(place, minlength=len(distinct))
    return {
        "logit": distinct.tolist(),
        "negative": (count - positive).tolist(),
        "positive": positive.tolist(),
    }


def drawn(count: int, seed: int = 0, bias: float = -1.0, slope: float = 1.0) -> tuple[Any, Any]:
    """Logits (count,) and labels that are positive as often as `slope` times these say."""
    rng = np.random.default_rng(seed)
    logit = bias + 2 * rng.normal(size=count)
    return logit, (rng.random(count) < 1 / (1 + np.exp(-slope * logit))).astype(int)
