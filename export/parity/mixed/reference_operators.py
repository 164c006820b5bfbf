"""Operators for onnx's own evaluator, whose trees go through rows one by one, and fail on NaN
without an attribute that is optional; and whose Gemm calls BLAS, which takes a single weight of 0
times NaN or infinity for 0.
"""

from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun

from serve_runtime.arrays import Float32


class TreeEnsembleRegressor(OpRun):
    """The operator of ai.onnx.ml as the files use it: BRANCH_LT alone, where NaN is not less, and
    sums of what the trees give."""

    op_domain = "ai.onnx.ml"

    def _run(self, x: Float32, **attributes: Any) -> tuple[Float32]:
        tree, node, less, more = (
            attributes[f"nodes_{name}"]
            for name in ("treeids", "nodeids", "truenodeids", "falsenodeids")
        )
        place = {key: i for i, key in enumerate(zip(tree, node, strict=True))}
        less_at, more_at = (
            np.array([place[key] for key in zip(tree, children, strict=True)], np.intp)
            for children in (less, more)
        )
        feature = np.array(attributes["nodes_featureids"], np.intp)
        threshold = np.array(attributes["nodes_values"], np.float32)
        is_leaf = np.array(attributes["nodes_modes"]) == "LEAF"
        given = np.zeros((len(node), attributes["n_targets"]), np.float32)
        for of_tree, of_node, target, weight in zip(
            *(attributes[f"target_{name}"] for name in ("treeids", "nodeids", "ids", "weights")),
            strict=True,
        ):
            given[place[of_tree, of_node], target] += np.float32(weight)
        result = np.zeros((len(x), given.shape[1]), np.float32)
        for root in (place[of_tree, 0] for of_tree in dict.fromkeys(tree)):
            at = np.full(len(x), root, np.intp)
            while (moving := np.flatnonzero(~is_leaf[at])).size:
                here = at[moving]
                is_less = x[moving, feature[here]] < threshold[here]
                at[moving] = np.where(is_less, less_at[here], more_at[here])
            result += given[at]
        return (result,)


class Gemm(OpRun):
    """weight · numbers + offset as the files use it, where 0 times what is not finite is NaN."""

    op_domain = ""

    def _run(
        self, weight: Float32, numbers: Float32, offset: Float32, **attributes: Any
    ) -> tuple[Float32]:
        if attributes["transA"]:
            weight = weight.T
        if attributes["transB"]:
            numbers = numbers.T
        # Of one column it is each product alone, as a sum of products that are added to 0 would be.
        product = weight * numbers if weight.shape[1] == 1 else weight @ numbers
        return (product + offset,)
