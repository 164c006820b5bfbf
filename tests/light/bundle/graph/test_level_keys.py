import numpy as np
import pytest

from light.bundle.graph.random_encodings import category, random_model, session
from serve_runtime.arrays import ROWS
from serve_runtime.bundle.graph.level_keys import code_by_key
from serve_runtime.bundle.onnx_graph import write_model
from serve_runtime.features.column import MADE_OF_MISSING, MISSING_TEXTS


def found_codes(column, values):
    """The code of each value, by way of tables that hold the code as the weight."""
    affine, encoding = random_model(np.random.default_rng(0), [column])
    table = np.arange(column.codes, dtype=np.float32)
    table[column.rare_code] = column.rare_code if column.rare else 0
    affine = affine.__class__(affine.weight, 0.0)
    encoding = encoding.__class__(**{**vars(encoding), "tables": (table,)})
    texts = np.empty((len(values), 1), object)
    texts[:, 0] = values
    logit, _ = session(write_model(affine, ROWS, encoding)).run(None, {column.name: texts})
    return logit.reshape(-1).tolist()


def test_every_text_has_the_code_of_the_card():
    column = category("c", ("3", "3.0", " 3"), missing_texts=("?", "NA"), rare=("4", "5"))
    known = column.code_by_text()
    assert code_by_key(column) == known
    assert [known[text] for text in MADE_OF_MISSING] == [column.missing_code] * 5
    assert found_codes(column, list(known)) == list(known.values())
    assert found_codes(column, ["3 ", "6", "NAN"]) == [0, 0, 0]


def test_numbers_and_truths_have_keys_in_each_spelling():
    column = category("c", ("2.5", "3"), rare=("7",), missing_texts=("99",), levels_are="numbers")
    texts = ["2.5", "3", "3.0", "7", "7.0", "99", "99.0", "03", "2.50"]
    assert found_codes(column, texts) == [1, 2, 2, 4, 4, 3, 3, 0, 0]
    column = category("c", ("False", "True"), levels_are="truths")
    assert found_codes(column, ["true", "TRUE", "True", "false", "t"]) == [2, 2, 2, 1, 0]


def test_missing_values_have_the_missing_code():
    pandas = pytest.importorskip("pandas")
    missing = [None, np.nan, np.float32("nan"), float("nan"), pandas.NA, pandas.NaT, ""]
    for texts in ((), MISSING_TEXTS):
        column = category("c", missing_texts=texts)
        assert set(found_codes(column, missing)) == {column.missing_code}


def test_a_level_that_looks_missing_wins():
    column = category("c", ("None", "a"), rare=("nan",))
    assert found_codes(column, ["None", None, np.nan, ""]) == [1, 1, 4, 3]


def test_missing_values_have_a_key_even_if_all_texts_are_levels():
    column = category("c", MADE_OF_MISSING)
    assert code_by_key(column)["\0"] == column.missing_code
    assert found_codes(column, [None, np.nan, ""]) == [4, 5, 1]
