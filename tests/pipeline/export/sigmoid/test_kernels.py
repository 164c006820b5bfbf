"""The exported kernels are proven on a range; those that others use are not."""

import numpy as np
import pytest

from export.errors import ParityError
from export.sigmoid.every_float32 import (
    EDGES,
    prove,
    require,
)
from export.sigmoid.kernels import KERNELS, REQUIRED, onnx_sigmoid, plain_negation
from export.sigmoid.spans import Count, examine
from pipeline.export.sigmoid.made_kernels import rank_of
from serve_runtime.error_budgets import LOWEST_LOGIT

WAVERING = (0.03, 0.06, 0.125, 0.25)


# The kernels


@pytest.mark.parametrize("kernel", REQUIRED)
def test_an_exported_graph_is_proven(kernel: str) -> None:
    proof = prove(kernel, KERNELS[kernel](), sample=300_000)
    require(proof)
    assert len(proof.ranges) == len(EDGES) - 1
    assert (proof.whole.low, proof.whole.high) == (-np.inf, np.inf)
    assert proof.whole.logits > 250_000
    assert (proof.whole.first, proof.whole.last) == (0, 1)
    assert 0.5 < max(span.ulp for span in proof.ranges if span.low >= LOWEST_LOGIT) <= 3
    assert {"-0": 0.5, "+0": 0.5}.items() <= proof.special.items()
    assert np.isnan(proof.special["NaN"])
    assert proof.nan.logits > 10_000


@pytest.mark.parametrize("kernel", REQUIRED)
def test_an_exported_graph_never_falls_where_exp_wavers(kernel: str) -> None:
    proof = prove(kernel, KERNELS[kernel](), edges=WAVERING)
    require(proof)
    assert proof.whole.logits > 25_000_000


def test_a_plain_negation_would_not_be_monotone() -> None:
    """The reason for the two nodes in its place: it shows that the test above can fail."""
    proof = prove("plain-negation", plain_negation(), edges=(0.125, 0.25))
    with pytest.raises(ParityError, match=r"plain-negation is not proven: decreases: \d"):
        require(proof)


def test_the_sigmoid_of_onnx_is_not_proven() -> None:
    proof = prove("onnx-sigmoid", onnx_sigmoid(), sample=100_000)
    with pytest.raises(
        ParityError,
        match=r"^the sigmoid of onnx-sigmoid is not proven: .* ULP from the exact sigmoid at "
        r"logit -1\d\.\d+, where 3 are allowed from -87 up; ",
    ):
        require(proof)


@pytest.mark.parametrize("kernel", ["torch", "torchscript"])
def test_a_kernel_of_torch_gives_the_logit_back_and_the_sigmoid(kernel: str) -> None:
    span = examine(KERNELS[kernel](), np.arange(rank_of(-2), rank_of(-2) + 1000))
    assert span.altered == Count(0, None)
    assert span.ulp < 8
