"""Runs with random weights, of any columns: models for tests and benchmarks, untrained.

`python -m benchmarks.harness.random_run FOLDER` writes the run of a model that encodes its columns,
of which some are bent numbers.
"""

import sys
from collections.abc import Collection
from pathlib import Path
from typing import Final

import numpy as np

from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.column import CATEGORY, NUMBER, PRECISE, Column, number_columns
from serve_runtime.features.encoding import sha256_of
from serve_runtime.features.raw_rows import RawRows
from train.bends.knots import Values
from train.design import Design
from train.persistence import run_folder
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
        figures={},
        training={},
    )
    return folder


BENT: Final = (0, 1, 3)
"""The bent numbers of the model with which other machines and runtimes are tried: one that is
refused where it is missing, one that has an indicator, and a precise one."""

LOOK_ALIKES = (
    *("3", "3.0", " 3", "03", "True", "true", "blue", "Blue", "blue ", "caf\u00e9", "cafe\u0301"),
    *("\u00df", "ss", "\U0001f600", "a,b", '"', "-", "0", "x" * 40),
)
"""Levels that somebody may take for one another, or cannot write down."""


def random_mixed(
    numbers: int = 3,
    precise: int = 2,
    categories: int = 3,
    *,
    seed: int = 0,
    offset: float = 0.0,
    rows: int = 300,
    plain: bool = False,
    bent: Collection[int] = (),
    quantiles: int = 6,
) -> tuple[Trained, ModelCard, RawRows]:
    """A model with random weights of `numbers` numbers, precise numbers and categories, the card
    that a run would have, and rows as if it had been trained on them.

    Columns take turns in what a missing value and an unknown level do; with `plain` a missing value
    is refused, and an unknown level counts as the average. Numbers have `offset` for their mean;
    the first that has an indicator has no other weight. Those of the numbers that are `bent` bend
    at so many `quantiles`, and have some single values.
    """
    rng = np.random.default_rng(seed)
    k = numbers + precise
    center = np.round(1.7e9 + 1e8 * rng.random(precise), 1)
    middle = np.append(np.full(numbers, offset), center)
    scale = np.append(np.exp(rng.normal(size=numbers)), 1e3 * np.exp(rng.normal(size=precise)))
    values = middle[:, None] + scale[:, None] * rng.normal(size=(k, rows))
    values[:numbers] = values[:numbers].astype(np.float32)
    policies = [("error", "indicator", "median")[i % 3] if not plain else "error" for i in range(k)]
    for row, policy in zip(values, policies, strict=True):
        if policy != "error":
            row[:: 7 + int(rng.integers(3))] = np.nan
    columns = []
    for i, (row, policy) in enumerate(zip(values, policies, strict=True)):
        name, kind = (f"number {i}", NUMBER) if i < numbers else (f"precise {i}", PRECISE)
        knots: tuple[float, ...] = ()
        if i in bent:
            middle_of_column = center[i - numbers] if kind == PRECISE else 0
            for start, value in ((1, middle_of_column), (2, np.nanmax(row))):
                row[start::6] = np.where(np.isnan(row[start::6]), np.nan, value)
            knots = Values((row[~np.isnan(row)] - middle_of_column).astype(np.float32)).knots(
                quantiles
            )
        gaps = int(np.isnan(row).sum())
        low, high = float(np.nanmin(row)), float(np.nanmax(row))
        columns.append(Column(name, kind, low, high, policy, gaps, knots=knots))
    texts = []
    for i in range(categories):
        column, drawn = _random_category(f"category {i}", i, rng, rows, plain)
        # Categories stand between the numbers, so that no order is right by chance.
        columns.insert((2 * i + 1) % (len(columns) + 1), column)
        texts.append(drawn)
    order = [c for c in columns if c.kind == CATEGORY]
    texts = [texts[int(column.name.split()[1])] for column in order]
    refused = np.array([policy == "error" for policy in policies], bool)
    imputed = np.where(refused, np.nan, [np.nanmedian(row) for row in values])
    design = Design(tuple(columns), imputed, center)
    kept = [np.nanmean(row) for row in values]
    further = design.dense - design.flat
    scaling = Scaling(
        np.concatenate([kept, np.full(len(design.indicators), 0.1), np.full(further, 0.2)]),
        np.concatenate([scale, np.full(len(design.indicators), 0.3), np.ones(further)]),
    )
    weight = rng.normal(size=design.width).astype(np.float32) / np.float32(np.sqrt(k + categories))
    for number in design.indicators[:1]:
        weight[number] = 0  # no fill value stands for this gap: it is a term of the offset
    trained = Trained(weight, float(np.float32(rng.normal())), scaling, design)
    card = ModelCard(
        design.columns,
        ("no", "yes"),
        sha256_of(trained.affine(), trained.encoding()),
        training={"versions": {}},
    )
    return trained, card, RawRows(values, tuple(map(tuple, texts)))


def random_mixed_run(folder: Path, **kind: int | float | bool | Collection[int]) -> Path:
    """Write a run folder with the random model that `random_mixed` makes of `kind`."""
    trained, card, rows = random_mixed(**kind)  # type: ignore[arg-type]
    assert trained.design is not None
    taken = rows.take(run_folder.sample_positions(len(rows), len(card.columns)))
    sample = run_folder.raw_rows(trained.design, taken.numbers, taken.texts)
    folder.mkdir(parents=True)
    run_folder.write(folder, trained=trained, sample=sample, card=card, figures={}, training={})
    return folder


def _random_category(
    name: str, number: int, rng: np.random.Generator, rows: int, plain: bool
) -> tuple[Column, list[str | None]]:
    """A category of LOOK_ALIKES and its values in `rows` rows."""
    levels = sorted(rng.choice(LOOK_ALIKES, size=3 + 2 * (number % 5), replace=False).tolist())
    rest = sorted({*LOOK_ALIKES} - {*levels})
    missing = "error" if plain else ("level", "error", "unknown")[number % 3]
    unknown = "average" if plain else ("average", "error", "rare")[number % 3]
    rare = tuple(rest[:2]) if unknown == "rare" else ()
    choices: list[str | None] = [*levels, *rare, *([] if missing == "error" else [None])]
    drawn = [*choices, *(choices[i] for i in rng.integers(len(choices), size=rows - len(choices)))]
    column = Column(
        name,
        CATEGORY,
        missing=missing,
        gaps=drawn.count(None),
        missing_texts=("", "?", "NA", "nan", "None") if missing != "error" else (),
        levels=tuple(levels),
        counts=tuple(map(drawn.count, levels)),
        rare=rare,
        rare_count=sum(map(drawn.count, rare)),
        unknown=unknown,
    )
    return column, drawn


if __name__ == "__main__":
    random_mixed_run(Path(sys.argv[1]), bent=BENT)
