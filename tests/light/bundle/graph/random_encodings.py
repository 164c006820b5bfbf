"""Random encoded models, rows of raw values for them, and their scores by numpy and by files."""

import itertools
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import onnxruntime as ort

from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.model_file import card_field
from serve_runtime.bundle.onnx_graph import write_graph, write_model
from serve_runtime.bundle.sealed_json import sha256
from serve_runtime.features.column import CATEGORY, MISSING_TEXTS, NUMBER, PRECISE, Column
from serve_runtime.features.curve import Curve, after
from serve_runtime.features.encoding import Encoding, sha256_of
from serve_runtime.inference.inner_blocks import least_rows

LOOK_ALIKES = (
    *("3", "3.0", " 3", "3 ", "03", "\u0663", "Zo\u00eb", "Zoe\u0308", "zo\u00eb", "\u00a0", " "),
    *("None", "nan", "True", "true", "x" * 5000, "\U0001f600", "\ufeffa", "a", "A", "a\nb", "a b"),
)
NAMES = (
    *("numbers", "logit", "probability", "weight", "bias", "offset", "level_0", "levels", "z", "p"),
    *(
        "fill",
        "missing",
        "center",
        "columns",
        "one",
        "numbers_",
        "gr\u00f6\u00dfe",
        "a b",
        "\u2003",
    ),
)

BATCHES = (1, 2, 5, 100, 1024)
SETTINGS = tuple(itertools.product((1, 2), (True, False)))
"""Threads, and whether onnxruntime optimises the graph."""


class Model(NamedTuple):
    affine: Affine
    encoding: Encoding


def number(name, *, missing="error", kind=NUMBER, **more):
    return Column(name, kind, low=0.0, high=1.0, missing=missing, **more)


def category(name, levels=("a", "b"), **more):
    return Column(name, CATEGORY, levels=tuple(sorted(levels)), counts=(1,) * len(levels), **more)


def random_column(rng, name, kinds=(NUMBER, PRECISE, CATEGORY)):
    kind = kinds[rng.integers(len(kinds))]
    if kind != CATEGORY:
        missing = ("error", "mean", "median", "indicator")[rng.integers(4)]
        knots = random_knots(rng) if rng.random() < 0.3 else ()
        return number(name, kind=kind, missing=missing, knots=knots)
    texts = [str(text) for text in rng.permutation(LOOK_ALIKES)[: rng.integers(1, 12)]]
    known = MISSING_TEXTS if rng.random() < 0.5 else ("", "?")[: rng.integers(3)]
    texts = [text for text in texts if text not in known]
    rare = texts[: rng.integers(3)] if rng.random() < 0.5 else []
    return category(
        name,
        texts[len(rare) :],
        missing=("error", "level", "unknown")[rng.integers(3)],
        missing_texts=known,
        rare=tuple(sorted(rare)),
        unknown=("average", "rare", "error")[rng.integers(3)],
    )


def random_values(rng, size):
    """Of very different sizes, and zeros of both signs."""
    found = rng.normal(size=size) * 10.0 ** rng.integers(-4, 4, size)
    return np.where(rng.random(size) < 0.1, -0.0, found).astype(np.float32)


def random_knots(rng):
    """Ascending, of very different sizes, some with the next float32 behind them."""
    found = random_values(rng, rng.integers(1, 40))
    found = np.append(found, after(found[::5]))
    return tuple(np.unique(found).tolist())


def random_table(rng, column):
    table = random_values(rng, column.codes)
    table[0] = {"average": 0, "rare": table[column.rare_code], "error": np.nan}[column.unknown]
    if column.missing != "level":
        table[column.missing_code] = np.nan if column.missing == "error" else table[0]
    if not column.rare:
        table[column.rare_code] = table[0]
    return table


def random_model(rng, columns, *, centered=None):
    """A model of these columns; with a centre half of the times where nothing else is said."""
    numbers = [c for kind in (NUMBER, PRECISE) for c in columns if c.kind == kind]
    precise = sum(c.kind == PRECISE for c in numbers)
    k = len(numbers)
    may_miss = np.array([c.missing != "error" for c in numbers], bool)
    fill = np.where(may_miss, random_values(rng, k), np.nan).astype(np.float32)
    has_gap = may_miss & np.array([c.missing == "indicator" for c in numbers], bool)
    has_gap &= rng.random(k) < 0.5
    gap = np.where(has_gap, random_values(rng, k), 0).astype(np.float32) + np.float32(0)
    tables = tuple(random_table(rng, c) for c in columns if c.kind == CATEGORY)
    centered = rng.random() < 0.5 if centered is None else centered
    straight = np.array([not c.knots for c in numbers], np.float32)
    center = random_values(rng, k) * straight if centered and k else None
    affine = Affine(random_values(rng, k) * straight, float(random_values(rng, 1)[0]), center)
    curves = tuple(random_curve(rng, c.knots) for c in numbers if c.knots)
    precise_center = 1e9 * rng.normal(size=precise)
    return Model(affine, Encoding(tuple(columns), fill, gap, precise_center, tables, curves))


def random_curve(rng, knots):
    value, slope = random_values(rng, (2, len(knots) + 1)) + np.float32(0)
    return Curve(np.array(knots, np.float32), value, slope)


def encoded_card(model, **changes):
    """A card for the files of a model."""
    affine, encoding = model
    graphs = {layout: write_model(affine, layout, encoding) for layout in (ROWS, COLUMNS)}
    known = {
        "columns": encoding.columns,
        "classes": (0, 1),
        "weights_sha256": sha256_of(affine, encoding),
        "graph_sha256": {layout: sha256(graph).hexdigest() for layout, graph in graphs.items()},
    }
    return ModelCard(**known | changes)


def encoded_file(model, layout, **changes):
    """A model file, whose card has some `changes`."""
    text = encoded_card(model, **changes).to_json()
    return write_model(model.affine, layout, model.encoding) + card_field(text)


EVERY_KIND = (
    category("colour", ("blue", "red"), missing="unknown", unknown="rare", rare=("beige",)),
    number("age", missing="indicator"),
    number("when", kind=PRECISE),
    category("size", ("L", "M"), missing="level", missing_texts=("?",)),
)
"""Columns of a model of which each kind of constant is there."""


def _model_of_every_kind():
    affine, encoding = random_model(np.random.default_rng(0), EVERY_KIND, centered=True)
    return Model(affine, replace(encoding, gap=np.array([0.5, 0], np.float32)))


MODEL = _model_of_every_kind()

BENT_KINDS = (
    number("income", missing="indicator", knots=(0.0, 2.0**-126, 2.5)),
    number("born", kind=PRECISE, missing="mean", knots=(-7.0,)),
    category("size", ("L", "M")),
    number("age"),
)
"""Columns of a model of which some are bent."""
BENT_MODEL = random_model(np.random.default_rng(4), BENT_KINDS, centered=True)


class Raw(NamedTuple):
    """Rows as a model file takes them, and as they are encoded."""

    numbers: np.ndarray
    """(k, n) float32, precise ones behind their centre."""
    precise: list[np.ndarray]
    """Of each precise column (n,) float64."""
    texts: list[np.ndarray]
    """Of each category (n,) objects."""
    codes: list[np.ndarray]


def random_rows(rng, encoding, count):
    """Rows with levels, unknown ones, gaps, look-alikes, precise numbers near and far, numbers at
    knots and beside them; in the second half none of them is refused."""
    first, k = np.arange(count) < count // 2, len(encoding.fill)
    absent = (rng.random((k, count)) < 0.1) & (first | ~np.isnan(encoding.fill)[:, None])
    numbers, plain, precise = random_values(rng, (k, count)), k - len(encoding.center), []
    for number, curve in zip(encoding.bent, encoding.curves, strict=True):
        numbers[number] = around_knots(rng, curve.knots, count)
    for i, center in enumerate(encoding.center, plain):
        near = center + rng.normal(size=count) * 10.0 ** rng.integers(-9, 4, count)
        ends = rng.choice([center, np.nextafter(center, 0), -center, 0.0, 5e-324], count)
        values = np.where(rng.random(count) < 0.2, ends, near)
        if i in encoding.bent:
            values = np.where(rng.random(count) < 0.5, center + numbers[i], values)
        values[first & (rng.random(count) < 0.01)] = 1e300
        values[absent[i]] = np.nan
        precise.append(values)
        with np.errstate(over="ignore"):
            numbers[i] = (values - center).astype(np.float32)
    numbers[absent] = np.nan
    texts, codes = [], []
    for column, table in zip(encoding.categories, encoding.tables, strict=True):
        codes_of = codes_in_onnxruntime(column)
        every = [*column.code_by_text(), *LOOK_ALIKES, "unknown", None, np.nan]
        taken = [text for text in every if not np.isnan(table[codes_of(text)])] or every
        found = np.empty(count, object)
        for row in range(count):
            choices = every if first[row] else taken
            found[row] = choices[rng.integers(len(choices))]
        texts.append(found)
        codes.append(np.array([codes_of(value) for value in found], int))
    return Raw(numbers, precise, texts, codes)


def around_knots(rng, knots, count):
    """(count,) float32: knots, the float32 before and behind each, and others of any size."""
    with np.errstate(over="ignore"):
        below, above = (np.nextafter(knots, np.float32(end)) for end in (-np.inf, np.inf))
    near = rng.choice(np.concatenate([knots, below, above]), count)
    far = rng.choice(np.array([0, -0.0, 3e38, -3e38, 1e-45, 1e30], np.float32), count)
    among = rng.choice(3, count, p=[0.6, 0.35, 0.05])
    return np.choose(among, [near, random_values(rng, count), far])


def codes_in_onnxruntime(column):
    """The code that onnxruntime is to find for a value: it takes None for "None", NaN for "nan"."""
    known = dict.fromkeys(("", "None", "nan", "<NA>", "NaT"), column.missing_code)
    known |= column.code_by_text()
    return lambda value: known.get(str(value), 0)


def feed(encoding, raw, layout, stop=None):
    """The first rows as the inputs of a file."""
    plain = raw.numbers[: len(encoding.fill) - len(encoding.center), :stop]
    precise = [column.name for column in encoding.numbers if column.kind == PRECISE]
    names = [*precise, *(column.name for column in encoding.categories)]
    found = {
        name: values[:stop, None] if layout == ROWS else values[None, :stop]
        for name, values in zip(names, [*raw.precise, *raw.texts], strict=True)
    }
    if len(plain):
        name = "numbers"
        while name in names:
            name += "_"
        found[name] = np.ascontiguousarray(plain.T if layout == ROWS else plain)
    return found


def session(content, threads=1, optimised=True):
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    if not optimised:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def file_scores(model, raw, layout, stop=None, **options):
    """Logits and probabilities (2, n) of the first rows by a model file."""
    opened = session(write_model(model.affine, layout, model.encoding), **options)
    return run(opened, model.encoding, raw, layout, stop)


def run(opened, encoding, raw, layout, stop=None):
    taken = feed(encoding, raw, layout, stop)
    return np.stack([scores.reshape(-1) for scores in opened.run(None, taken)])


def expected_scores(model, raw):
    """Logits and probabilities (2, n) of numbers and offsets that numpy has encoded."""
    affine, encoding = model
    offset = encoding.offset(affine.bias, raw.codes, raw.numbers)
    taken = {"offset": offset[None]}
    if len(raw.numbers):
        taken["columns"] = encoding.filled(raw.numbers)
    scores = session(write_graph(affine, COLUMNS, offset=True)).run(None, taken)
    return np.stack([each.reshape(-1) for each in scores])


def assert_same_scores(found, expected):
    """The same bits; of NaN, which is a refused row, any bits."""
    same = found.view(np.uint32) == expected.view(np.uint32)
    assert (same | (np.isnan(found) & np.isnan(expected))).all()


def check_files(model, raw, batches=BATCHES):
    """Both files give all rows the scores of numpy's encoding."""
    expected, least = expected_scores(model, raw), least_rows(len(raw.numbers))
    batches = [batch for batch in batches if batch >= least]
    for layout, (threads, optimised) in itertools.product((ROWS, COLUMNS), SETTINGS):
        opened = session(write_model(model.affine, layout, model.encoding), threads, optimised)
        for batch in batches:
            found = run(opened, model.encoding, raw, layout, batch)
            assert_same_scores(found, expected[:, :batch])
    return expected
