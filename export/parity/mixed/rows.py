"""The rows on which a model that encodes its columns is proven: raw values, as a table holds them.

As proof_rows, from the card and the values of the model alone, and the same on every machine. The
numbers of most rows are made as they are served, by the functions of proof_rows, and moved back;
what a row needs besides, its texts, is drawn from the levels, what is missing, and what looks like
a level and is none.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from export.parity import proof_rows
from export.parity.encoded_model import EncodedModel, encode, served_ranges
from export.parity.mixed.bent_rows import along_curves, on_every_segment, values_at_knots
from export.parity.mixed.texts import scored_texts, unseen, unusual_texts
from serve_runtime.arrays import Float32, Float64
from serve_runtime.bundle.card import ModelCard
from serve_runtime.features.encoding import Encoding
from serve_runtime.features.raw_rows import RawRows

_ROWS = 4096
_VALUES = 1 << 19
"""Most values in one batch; a text takes longer than a number."""
_UNUSUAL = 8
"""Of so many values, one is missing or of an unknown level, where that is not refused."""


def mixed_batches(
    card: ModelCard, model: EncodedModel, sample: RawRows
) -> list[proof_rows.ProofBatch]:
    """The rows on which a model is proven, `sample` among them: rows of the run's data."""
    rng, encoding = np.random.default_rng(0), model.encoding
    width = max(1, len(encoding.columns))
    count = max(64, min(_ROWS, _VALUES // width))
    inside = random_raw_rows(model, count, rng)
    whole = without_gaps(model, count, rng)
    threshold = proof_rows.logit_of(card.threshold)
    wanted = [s * z for z in proof_rows.LOGITS for s in (-1, 1)]
    sweep = np.linspace(*proof_rows.SWEEP, count)
    batch = proof_rows.ProofBatch
    return [
        batch("sampled rows", sample),
        batch("random rows", inside),
        batch("random rows far outside", far_raw_rows(model, inside, rng)),
        *(batch(f"batch of {n}", inside.take(range(n))) for n in proof_rows.BATCH_SIZES
          if n <= count),
        batch("logit sweep", along(model, sweep, whole.take([0] * count))),
        batch("named logits", _near(model, wanted, whole)),
        batch("threshold", _near(model, [] if threshold is None else [threshold], whole)),
        _levels(model),
        batch("gaps", _gaps(model, whole)),
        batch("ends of precise numbers", _precise_ends(model, whole)),
        *_knots(model, whole),
        *_of_served_numbers(model, whole, rng),
        batch("refused and not finite", _refused(model, inside)),
    ]  # fmt: skip


def more_batches(model: EncodedModel, rows: int) -> Iterator[proof_rows.ProofBatch]:
    """`rows` more rows in blocks: inside the training ranges, far outside, and of any logit."""
    block = max(1, min(1 << 14, _VALUES // len(model.encoding.columns)))
    low, high = proof_rows.SWEEP
    for number, start in enumerate(range(0, rows, block)):
        rng, count = np.random.default_rng((1, number)), min(block, rows - start)
        name = f"streamed rows {start}"
        if number % 3 == 0:
            yield proof_rows.ProofBatch(name, random_raw_rows(model, count, rng))
        elif number % 3 == 1:
            base = random_raw_rows(model, count, rng)
            yield proof_rows.ProofBatch(f"{name}, far outside", far_raw_rows(model, base, rng))
        else:
            logits = low + (high - low) * rng.random(count)
            found = along(model, logits, without_gaps(model, count, rng))
            yield proof_rows.ProofBatch(f"{name}, any logit", found)


def random_raw_rows(model: EncodedModel, count: int, rng: np.random.Generator) -> RawRows:
    """Rows uniform over the ranges and levels of training, some values missing or unknown, where
    that is not refused, and some bent numbers at a knot."""
    encoding = model.encoding
    numbers = _inside(encoding, count, rng)
    for number in encoding.bent:
        at_knots = rng.random(count) < 1 / _UNUSUAL
        values = values_at_knots(encoding, number)
        drawn = (rng.random(count) * len(values)).astype(int)
        numbers[number, at_knots] = values[drawn[at_knots]]
    for row, fill, column in zip(numbers, encoding.fill, encoding.numbers, strict=True):
        gaps = rng.random(count) < 1 / _UNUSUAL
        if column.missing != "error" and not np.isnan(fill):
            row[gaps] = np.nan
    texts = []
    for column, table in zip(encoding.categories, encoding.tables, strict=True):
        unusual = scored_texts(column, table, unusual_texts(column))
        usual = scored_texts(column, table, column.levels) or unusual or [None]
        drawn = (rng.random(count) * len(usual)).astype(int).tolist()
        odd = rng.random(count) < 1 / _UNUSUAL
        other = (rng.random(count) * max(1, len(unusual))).astype(int).tolist()
        texts.append(tuple(
            unusual[o] if unusual and is_odd else usual[u]
            for u, o, is_odd in zip(drawn, other, odd.tolist(), strict=True)
        ))  # fmt: skip
    return RawRows(numbers, tuple(texts))


def without_gaps(model: EncodedModel, count: int, rng: np.random.Generator) -> RawRows:
    """Rows as `random_raw_rows` makes them, of which no number is missing."""
    rows = random_raw_rows(model, count, rng)
    return RawRows(_inside(model.encoding, count, rng), rows.texts)


def far_raw_rows(model: EncodedModel, rows: RawRows, rng: np.random.Generator) -> RawRows:
    """`rows`, and numbers up to a million times as far out as the training ranges."""
    low, high = served_ranges(model.encoding)
    far = proof_rows.far(low, high, len(rows), rng)
    numbers = raw_numbers(model.encoding, far)
    return RawRows(np.where(np.isnan(rows.numbers), np.nan, numbers), rows.texts)


def along(model: EncodedModel, logits: Float64, base: RawRows) -> RawRows:
    """Rows with the given logits (n,): the numbers of `base`, n rows without gaps, moved along the
    weights, or where all are bent, along a curve. Where no row of float32 numbers has a logit, its
    row is left out."""
    if not model.affine.weight.any():
        return along_curves(model, logits, base)
    exact = model.reference(base)[0]
    served = encode(model.encoding, base).numbers.T
    moved = proof_rows.moved(model.affine, logits - exact, served)
    kept = np.isfinite(moved).all(1)
    return RawRows(raw_numbers(model.encoding, moved[kept]), base.take(np.flatnonzero(kept)).texts)


def golden_raw_rows(model: EncodedModel, logits: Sequence[float]) -> RawRows:
    """Rows for the card, near `logits` where numbers allow it: all values known, then some missing
    and unknown ones, where that is not refused. They are nobody's data."""
    rng = np.random.default_rng(1)
    count = len(logits)
    whole = without_gaps(model, count, rng)
    shifted = along(model, np.array(logits), whole)
    rows = shifted if len(shifted) == count else whole
    numbers, texts = rows.numbers.copy(), [list(column) for column in rows.texts]
    number_gaps = [i for i, fill in enumerate(model.encoding.fill) if not np.isnan(fill)]
    for at, row in enumerate(range(1, count, 2)):  # each second row keeps its logit
        if number_gaps:
            numbers[number_gaps[at % len(number_gaps)], row] = np.nan
        for column, table, column_texts in zip(
            model.encoding.categories, model.encoding.tables, texts, strict=True
        ):
            odd = scored_texts(column, table, (None, unseen(column), *column.rare[:1]))
            if odd:
                column_texts[row] = odd[at % len(odd)]
    return RawRows(numbers, tuple(map(tuple, texts)))


def raw_numbers(encoding: Encoding, served: Float32) -> Float64:
    """What a table may hold (k, n) where (n, k) is served: the nearest float64 to it."""
    return served.T.astype(np.float64) + encoding.number_centers[:, None]


def _inside(encoding: Encoding, count: int, rng: np.random.Generator) -> Float64:
    """Numbers (k, n) uniform over the ranges; of NUMBER columns, float32 values."""
    numbers = len(encoding.fill) - len(encoding.center)
    ends = np.array([[c.low, c.high] for c in encoding.numbers], np.float64).reshape(-1, 2)
    drawn = rng.random((count, len(ends))).T
    values: Float64 = ends[:, :1] + (ends[:, 1:] - ends[:, :1]) * drawn
    values[:numbers] = values[:numbers].astype(np.float32)
    return values


def _neutral(model: EncodedModel, rows: int) -> Float64:
    """Numbers (k, rows) whose products with the weights are all 0: the offset is the logit."""
    center = model.affine.center
    served = np.zeros(len(model.affine.weight), np.float32) if center is None else center
    return raw_numbers(model.encoding, np.tile(served, (rows, 1)))


def _levels(model: EncodedModel) -> proof_rows.ProofBatch:
    """Every text of each category once, the others at the first level that is scored; numbers add
    nothing, so that the logit is the very offset."""
    encoding = model.encoding
    usual = []
    every: list[list[str | None]] = []
    for column, table in zip(encoding.categories, encoding.tables, strict=True):
        texts = [*column.levels, *unusual_texts(column)]
        every.append(texts)
        usual.append(next(iter(scored_texts(column, table, texts)), None))
    rows = 1 + sum(map(len, every))
    columns: list[list[str | None]] = [[text] * rows for text in usual]
    at = 1
    for column_texts, texts in zip(columns, every, strict=True):
        column_texts[at : at + len(texts)] = texts
        at += len(texts)
    found = RawRows(_neutral(model, rows), tuple(map(tuple, columns)))
    return proof_rows.ProofBatch("every level", found, model.offsets(found))


def _knots(model: EncodedModel, base: RawRows) -> Iterator[proof_rows.ProofBatch]:
    """Bent numbers on every segment of their curves, the other numbers adding nothing, so that the
    logit is the very offset; and the others anywhere."""
    if not model.encoding.bent:
        return
    alone = on_every_segment(model, base.take([0]), _neutral(model, 1))
    yield proof_rows.ProofBatch("every segment", alone, model.offsets(alone))
    numbers = base.numbers[:, np.arange(len(alone)) % len(base)]
    bent = list(model.encoding.bent)
    numbers[bent] = alone.numbers[bent]
    texts = base.take(np.arange(len(alone)) % len(base)).texts
    yield proof_rows.ProofBatch("every segment, any row", RawRows(numbers, texts))


def _gaps(model: EncodedModel, base: RawRows) -> RawRows:
    """Each number missing alone, any two neighbours, and all of them."""
    k = len(model.affine.weight)
    missing = np.concatenate([np.eye(k, dtype=bool), np.eye(k, dtype=bool), np.ones((1, k), bool)])
    if k:
        missing[np.arange(k, 2 * k), (np.arange(k) + 1) % k] = True
    rows = base.take(np.arange(len(missing)) % len(base))
    return RawRows(np.where(missing.T, np.nan, rows.numbers), rows.texts)


def _precise_ends(model: EncodedModel, base: RawRows) -> RawRows:
    """Precise numbers at the ends of their range, at their centre, and their neighbours: each
    float64 next to these, and values halfway between two that float32 can hold behind the centre.
    """
    encoding = model.encoding
    first = len(encoding.fill) - len(encoding.center)
    parts = []
    for i, (column, center) in enumerate(
        zip(encoding.numbers[first:], encoding.center, strict=True)
    ):
        ends = np.array([column.low, column.high, center], np.float64)
        served = (ends - center).astype(np.float32)
        halves = (served.astype(np.float64) + np.nextafter(served, np.float32(np.inf))) / 2 + center
        values = np.concatenate(
            [ends, np.nextafter(ends, -np.inf), np.nextafter(ends, np.inf), halves, -ends, [0.0]]
        )
        rows = base.take(np.arange(len(values)) % len(base))
        numbers = rows.numbers.copy()
        numbers[first + i] = values
        parts.append(RawRows(numbers, rows.texts))
    return RawRows.joined(parts) if parts else base.take([])


def _of_served_numbers(
    model: EncodedModel, base: RawRows, rng: np.random.Generator
) -> Iterator[proof_rows.ProofBatch]:
    """What proof_rows makes of numbers, with the texts of a row that is scored.

    A probe's logit is exact only where a raw number gives the very number that is served.
    """
    if not len(model.affine.weight):
        return
    encoding, first = model.encoding, base.take([0])
    offset = model.offsets(RawRows(_neutral(model, 1), first.texts))[0]
    affine = replace(model.affine, bias=float(offset))
    for batch in proof_rows.of_numbers(affine, encode(encoding, base).numbers.T, rng):
        served = batch.rows
        rows = RawRows(raw_numbers(encoding, served), first.take([0] * len(served)).texts)
        if batch.exact is None:
            yield replace(batch, rows=rows)
            continue
        kept = np.flatnonzero((served == encode(encoding, rows).numbers.T).all(1))
        yield replace(batch, rows=rows.take(kept), exact=batch.exact[kept])


def _near(model: EncodedModel, logits: Sequence[float], base: RawRows) -> RawRows:
    """Rows at each logit and at the float32 values next to it, as nearly as a row can have them."""
    wanted = proof_rows.neighbours_of(logits)
    return along(model, wanted, base.take(np.arange(len(wanted)) % len(base)))


def _refused(model: EncodedModel, base: RawRows) -> RawRows:
    """A value that is refused, or none at all, in every other row."""
    rows = base.take(np.arange(64) % len(base))
    numbers, texts = rows.numbers.copy(), [list(column) for column in rows.texts]
    width = len(numbers) + len(texts)
    bad: Sequence[float] = (np.nan, np.inf, -np.inf)
    for i, row in enumerate(range(0, len(rows), 2)):
        column = i % width
        if column < len(numbers):
            numbers[column, row] = bad[(i // width + i) % len(bad)]
        else:
            category = model.encoding.categories[column - len(numbers)]
            texts[column - len(numbers)][row] = None if i // width % 2 else unseen(category)
    return RawRows(numbers, tuple(map(tuple, texts)))
