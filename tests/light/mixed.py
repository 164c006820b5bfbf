"""A model of numbers, a precise number and categories, and rows of it with known encodings."""

from dataclasses import dataclass, replace

import numpy as np

from serve_runtime import ModelCard, Predictor
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.model_file import ModelFile, card_field
from serve_runtime.bundle.onnx_graph import write_graph, write_model
from serve_runtime.bundle.sealed_json import sha256
from serve_runtime.features.column import CATEGORY, PRECISE, Column
from serve_runtime.features.curve import Curve
from serve_runtime.features.encoding import Encoding, sha256_of
from serve_runtime.inference.sessions import Session

NAN = float("nan")
BORN = 1.7e9
"""Seconds: float32 tells those 128 apart from one another."""

COLOUR = Column(
    "colour", CATEGORY, missing="level", gaps=2, missing_texts=("", "?"),
    levels=(" rot", "blau", "gru\u0308n", "grün", "rot", "日本"),
    counts=(1, 2, 3, 4, 5, 6), rare=("ocker", "teal"), rare_count=2,
)  # fmt: skip
CODE = Column("code", CATEGORY, levels=("-1", "2.5", "3", "True"), counts=(1, 2, 3, 4))
ROOM = Column("room", CATEGORY, missing="unknown", levels=("bath", "hall"), counts=(1, 2))
KNOTS = (0.0, 2.0**-126, 18.0, 30.5, 67.0)
COLUMNS_OF_MODEL = (
    Column("age", low=0.0, high=99.0, missing="indicator", gaps=3, knots=KNOTS),
    COLOUR,
    Column("visits", low=0.0, high=9.0),
    Column("born", PRECISE, BORN, BORN + 9e4, missing="median", gaps=1, time=True),
    CODE,
    ROOM,
)
NAMES = tuple(column.name for column in COLUMNS_OF_MODEL)
AFFINE = Affine(np.array([0.0, -0.3, 7e-6], np.float32), 0.1)
ENCODING = Encoding(
    COLUMNS_OF_MODEL,
    fill=np.array([38.5, NAN, 1234.5], np.float32),
    gap=np.array([0.7, 0, 0], np.float32),
    center=np.array([BORN + 4e4]),
    tables=(
        np.array([0, -0.4, 0.3, 1.7, -0.1, 0.9, -2.2, 0.45, 0.15], np.float32),
        np.array([0, 0.3, -0.6, 0.123, 1.3, NAN, 0], np.float32),
        np.array([0, 0.2, -0.3, 0, 0], np.float32),
    ),
    curves=(
        Curve(
            np.array(KNOTS, np.float32),
            value=np.array([0.3, 1.3, 0.3, -0.7, 0.11, 0.5], np.float32),
            slope=np.array([0.01, 0, 0.07, -0.013, 0.2, 1e-3], np.float32),
        ),
    ),
)
"""Its `age` is bent, and its value 0 has a weight of its own."""
STRAIGHT = replace(
    ENCODING, columns=(replace(COLUMNS_OF_MODEL[0], knots=()), *COLUMNS_OF_MODEL[1:]), curves=()
)
"""The same without the curve: `age` has no weight, but where it is missing."""


def model_of(columns=COLUMNS_OF_MODEL, affine=AFFINE, encoding=ENCODING, **card):
    """A model in memory, as it is read from a file."""
    made = ModelCard(tuple(columns), ("no", "yes"), sha256_of(affine, encoding), **card)
    return ModelFile("mixed", b"", made, "rows", affine, encoding)


def file_of(columns=COLUMNS_OF_MODEL, affine=AFFINE, encoding=ENCODING, **card):
    """The bytes of a model.onnx."""
    graph = write_model(affine, ROWS, encoding)
    digests = {ROWS: sha256(graph).hexdigest()}
    model = model_of(columns, affine, encoding, graph_sha256=digests, **card)
    return graph + card_field(model.card.to_json())


def predictor_of(model, threads=1):
    """A Predictor of a model in memory."""
    found = object.__new__(Predictor)
    found._threads, found._providers = threads, ("CPUExecutionProvider",)
    found._path, found._file_state, found._name = None, None, model.path
    found._model = found._open((model,))
    return found


def mixed_predictor(threads=1, **changes):
    """A Predictor of the model above, with other values in its Encoding."""
    return predictor_of(model_of(encoding=replace(ENCODING, **changes)), threads)


@dataclass
class Rows:
    """Raw rows by column, and what they become."""

    columns: dict
    """Of Python's own values: float, int, None, str."""
    numbers: np.ndarray
    """(k, n) float32, NaN where missing."""
    codes: list

    def logits(self, affine=AFFINE, encoding=ENCODING):
        """(n,) from a plain session on the filled numbers and the sums of the tables."""
        offset = encoding.offset(affine.bias, self.codes, self.numbers)
        filled = np.ascontiguousarray(encoding.filled(self.numbers))
        rows = -len(offset) % 4
        session = Session(write_graph(affine, COLUMNS, offset=True), ("CPUExecutionProvider",))
        taken = np.pad(filled, ((0, 0), (0, rows))), np.pad(offset, (0, rows))[None]
        return session.run_with(*taken)[0][0, : len(offset)]


def mixed_rows(count, seed=0, *, gaps=True):
    """`count` rows with every level, unknown ones, and gaps where the model takes them."""
    rng = np.random.default_rng(seed)
    age = rng.integers(0, 99, count).astype(np.float32) / 2
    visits = rng.integers(0, 9, count)
    born = BORN + rng.integers(0, 90_000, count) + rng.integers(0, 8, count) / 8
    texts = [
        [None, *COLOUR.levels, "?", "ocker"],
        [None, "-1", "2.5", "3", "True"],
        [None, "bath", "hall", ""],
    ]
    codes = [rng.integers(0, len(known), count) for known in texts]
    columns = {
        "age": age.tolist(),
        "colour": [texts[0][code] or f"new {code}" for code in codes[0]],
        "visits": visits.tolist(),
        "born": born.tolist(),
        "code": [texts[1][code] or "4" for code in codes[1]],
        "room": [texts[2][code] if code else "Bath" for code in codes[2]],
    }
    if gaps:
        for name, every in (("age", 5), ("born", 7), ("colour", 3), ("room", 4)):
            for row in range(0, count, every):
                columns[name][row] = None
        age[::5] = NAN
        born[::7] = NAN
        codes[0][::3], codes[2][::4] = COLOUR.missing_code, ROOM.missing_code
    centered = (born - ENCODING.center[0]).astype(np.float32)
    return Rows(columns, np.stack([age, visits.astype(np.float32), centered]), codes)
