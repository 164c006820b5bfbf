"""A mixed model as scikit-learn and skl2onnx have it: one-hot levels, standardised numbers."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, SplineTransformer, StandardScaler

from serve_runtime.arrays import Array
from serve_runtime.bundle.affine import Affine
from serve_runtime.features.encoding import Encoding


def sklearn_pipeline(affine: Affine, encoding: Encoding, columns: Mapping[str, Any]) -> Any:
    """OneHotEncoder, StandardScaler and LogisticRegression with the weights of this model.

    The model has no precise number, no gap and no rare level; the scaling is that of `columns`,
    some rows of raw values by name.
    """
    numbers = [column.name for column in encoding.numbers]
    categories = [column.name for column in encoding.categories]
    levels = [np.array(column.levels, object) for column in encoding.categories]
    encoder = OneHotEncoder(categories=levels, handle_unknown="ignore")
    transform = ColumnTransformer(
        [("numbers", StandardScaler(), numbers), ("categories", encoder, categories)]
    )
    classifier = LogisticRegression()
    pipeline = make_pipeline(transform, classifier)
    count = len(next(iter(columns.values())))
    pipeline.fit(pd.DataFrame(columns), np.arange(count) % 2)
    scaler, weight = transform.named_transformers_["numbers"], affine.weight.astype(np.float64)
    tables = [
        table[1 : len(column.levels) + 1]
        for table, column in zip(encoding.tables, encoding.categories, strict=True)
    ]
    classifier.coef_ = np.concatenate([weight * scaler.scale_, *tables])[None]
    classifier.intercept_ = np.array([affine.bias + weight @ scaler.mean_])
    return pipeline


def spline_pipeline(numbers: Array, quantiles: int) -> Any:
    """SplineTransformer and LogisticRegression of `numbers` (k, n), piecewise linear with knots at
    so many quantiles; it knows no single values."""
    splines = SplineTransformer(
        quantiles, degree=1, knots="quantile", extrapolation="linear", include_bias=False
    )
    some = numbers[:, :1000].T
    return make_pipeline(splines, LogisticRegression()).fit(some, np.arange(len(some)) % 2)


def skl2onnx_pipeline(pipeline: Any, numbers: Sequence[str], categories: Sequence[str]) -> bytes:
    """The pipeline as skl2onnx writes it: an input [batch, 1] for each column."""
    from skl2onnx import to_onnx
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    kinds = {name: FloatTensorType([None, 1]) for name in numbers}
    kinds |= {name: StringTensorType([None, 1]) for name in categories}
    options = {id(pipeline): {"zipmap": False}}
    converted = to_onnx(pipeline, initial_types=list(kinds.items()), options=options)
    content: bytes = converted.SerializeToString()
    return content
