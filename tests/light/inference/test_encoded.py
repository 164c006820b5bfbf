import numpy as np
import pytest

from light.mixed import predictor_of
from serve_runtime import LevelError, ModelCard, NonFiniteError
from serve_runtime.arrays import COLUMNS
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.model_file import ModelFile
from serve_runtime.bundle.onnx_graph import write_model
from serve_runtime.features.column import CATEGORY, Column
from serve_runtime.features.encoding import Encoding, sha256_of
from serve_runtime.inference.onnxruntime_library import ort

COUNT = 150_001
"""Rows of more than one block, whose last block is a short one."""
LEVELS = (5, 125, 125, 3)
NAMES = ("x0", "x1", "x2")
NAN = np.float32("nan")
AFFINE = Affine(np.array([0.4, -0.3, 0.2], np.float32), 0.1)


def encoding_of():
    """Numbers alone beside categories in two groups, so that columns are read where they lie."""
    rng = np.random.default_rng(3)
    numbers = (
        Column("x0", low=0.0, high=1.0, missing="median", gaps=1),
        Column("x1", low=0.0, high=1.0),
        Column("x2", low=0.0, high=1.0, missing="indicator", gaps=1),
    )
    columns, tables = list(numbers), []
    for i, count in enumerate(LEVELS):
        texts = tuple(f"{level:03}" for level in range(count))
        columns.append(Column(f"c{i}", CATEGORY, levels=texts, counts=(1,) * count))
        tables.append(rng.standard_normal(count + 3).astype(np.float32))
        tables[-1][-1] = tables[-1][0]  # nothing is rare
    tables[3][0] = tables[3][-1] = NAN  # an unknown level of the last one is refused
    fill, gap = np.array([0.5, NAN, 0.25], np.float32), np.array([0, 0, 0.7], np.float32)
    return Encoding(tuple(columns), fill, gap, np.empty(0), tuple(tables))


ENCODING = encoding_of()


@pytest.fixture(scope="module")
def predictors():
    card = ModelCard(ENCODING.columns, ("no", "yes"), sha256_of(AFFINE, ENCODING))
    model = ModelFile("mixed", b"", card, "rows", AFFINE, ENCODING)
    return {threads: predictor_of(model, threads) for threads in (1, 3)}


@pytest.fixture(scope="module")
def session():
    content = write_model(AFFINE, COLUMNS, ENCODING)
    return ort.InferenceSession(content, providers=["CPUExecutionProvider"])


def raw(*, gaps):
    """Columns of the model by name: numbers of one array, texts; unknown levels among them."""
    rng = np.random.default_rng(7)
    numbers = rng.random((len(NAMES), COUNT), np.float32)
    if gaps:
        numbers[0, ::11] = numbers[2, ::7] = NAN
    found = dict(zip(NAMES, numbers, strict=True))
    for i, count in enumerate(LEVELS):
        # Of the last one, unknown levels are refused.
        codes = rng.integers(0, count + (i < 3), COUNT)
        found[f"c{i}"] = np.array([f"{code:03}" for code in range(count + 1)], object)[codes]
    return found


def dictionaries(columns):
    """The texts as categories of pandas, which positions stand for."""
    pd = pytest.importorskip("pandas")
    return {k: v if k in NAMES else pd.Series(v, dtype="category") for k, v in columns.items()}


def from_the_file(session, columns):
    taken = {"numbers": np.stack([columns[name] for name in NAMES])}
    taken |= {name: values[None] for name, values in columns.items() if name not in NAMES}
    logit, probability = session.run(["logit", "probability"], taken)
    return logit[0], probability[0]


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("gaps", [False, True])
def test_many_rows_have_the_bits_of_the_file(predictors, session, threads, gaps):
    columns = raw(gaps=gaps)
    logit, probability = from_the_file(session, columns)
    for taken in (columns, dictionaries(columns)):
        found = predictors[threads].scores(taken)
        assert found[0].tobytes() == logit.tobytes()
        assert found[1].tobytes() == probability.tobytes()
    some = {name: values[70_000:70_003] for name, values in columns.items()}
    assert predictors[threads].decision_function(some).tobytes() == logit[70_000:70_003].tobytes()


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("row", [0, 65_535, 65_536, COUNT - 1])
def test_the_first_refused_row_is_named(predictors, threads, row):
    columns = raw(gaps=True)
    for name, value, error in (("c3", "elsewhere", LevelError), ("x1", NAN, NonFiniteError)):
        changed = {key: values.copy() for key, values in columns.items()}
        changed[name][row] = value
        changed["x0"][row + 1 :] = np.inf
        with pytest.raises(error) as caught:
            predictors[threads].probability(dictionaries(changed))
        assert (caught.value.row, name in str(caught.value)) == (row, True)
