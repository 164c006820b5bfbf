"""Objects of libraries that the runtime never imports: torch's tensors, scipy's sparse matrices."""

import numpy as np
import pytest
import scipy.sparse
import torch
from light.helpers import TINY, assert_same_bits
from light.mixed import mixed_predictor, mixed_rows

from serve_runtime import InputError, Predictor

ROWS = torch.tensor([[3.0, 1.0], [0.0, 2.0]])
SPARSE = [
    scipy.sparse.csr_matrix, scipy.sparse.csr_array, scipy.sparse.csc_array, scipy.sparse.coo_array,
    scipy.sparse.dok_array, scipy.sparse.lil_array, scipy.sparse.dok_matrix,
]  # fmt: skip


def test_a_tensor_is_an_array() -> None:
    predictor = Predictor(TINY)
    expected = predictor.probability(ROWS.numpy())
    for x in (ROWS, list(ROWS), {"x1": ROWS[:, 0], "x2": ROWS[:, 1]}, ROWS.double()):
        np.testing.assert_allclose(predictor.probability(x), expected, rtol=1e-6)
    one = predictor.probability([{"x1": ROWS[0, 0], "x2": ROWS[0, 1]}])
    assert one.tolist() == expected[:1].tolist()


@pytest.mark.parametrize(
    "x",
    [
        ROWS.clone().requires_grad_(),
        list(ROWS.clone().requires_grad_()),
        {"x1": ROWS[:, 0].clone().requires_grad_(), "x2": ROWS[:, 1]},
    ],
)
def test_a_tensor_with_gradients_names_detach(x: object) -> None:
    with pytest.raises(InputError, match=r"; pass x\.detach\(\)$"):
        Predictor(TINY).probability(x)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (ROWS.to("meta"), r"pass x\.cpu\(\)$"),
        (ROWS.to_sparse(), r"to_dense\(\)"),
        (ROWS.bfloat16(), "BFloat16"),
        (ROWS.to(torch.complex64), "must be numeric; got dtype complex64"),
    ],
)
def test_a_tensor_without_an_array_is_refused(x: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Predictor(TINY).probability(x)


@pytest.mark.parametrize("kind", SPARSE)
def test_a_sparse_matrix_names_toarray(kind: type) -> None:
    x = kind(np.eye(2))
    for given in (x, [x], {"x1": x, "x2": [1, 2]}):
        with pytest.raises(InputError, match=r"it is sparse: pass x\.toarray\(\)$"):
            Predictor(TINY).probability(given)
    assert len(Predictor(TINY).probability(x.toarray())) == 2


def test_tensors_stand_beside_texts() -> None:
    rows = mixed_rows(50, gaps=False)
    predictor = mixed_predictor()
    expected = predictor.decision_function(rows.columns)
    columns = {
        **rows.columns,
        "age": torch.tensor(rows.columns["age"]),
        "visits": torch.tensor(rows.columns["visits"]),
        "born": torch.tensor(rows.columns["born"], dtype=torch.float64),
    }
    assert_same_bits(predictor.decision_function(columns), expected)
    single = {**columns, "born": columns["born"].float()}
    with pytest.raises(InputError, match="feature 'born' needs float64"):
        predictor.decision_function(single)
    row = {name: values[3] for name, values in columns.items()}
    assert predictor.decision_function(row)[0] == expected[3]


def test_a_tensor_may_hold_levels_that_are_numbers() -> None:
    rows = mixed_rows(9, gaps=False)
    codes = [3, -1, 4] * 3
    expected = mixed_predictor().decision_function({**rows.columns, "code": codes})
    for column in (torch.tensor(codes), torch.tensor(codes, dtype=torch.float32)):
        found = mixed_predictor().decision_function({**rows.columns, "code": column})
        assert_same_bits(found, expected)
