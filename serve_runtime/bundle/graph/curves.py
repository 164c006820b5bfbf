"""Curves of bent numbers as one TreeEnsembleRegressor of ai.onnx.ml: a tree finds the segment of a
number, and answers with the value, the slope and the origin of it.
"""

from collections.abc import Sequence

import numpy as np

from serve_runtime.arrays import Array, Float32
from serve_runtime.bundle.onnx_writer import Attribute
from serve_runtime.features.curve import Curve

PER_SEGMENT = 3
"""Targets of a curve: value, slope and origin."""


def tree_ensemble(curves: Sequence[Curve], numbers: Sequence[int]) -> dict[str, Attribute]:
    """The attributes of the node that takes rows (n, k), in which curve i looks at column
    `numbers[i]`, and answers (n, 3·c) of c curves: the values of all segments, then the slopes,
    then the origins. The last attribute holds `segment_weights`.
    """
    nodes, targets = list[tuple[int, int, int, float, int, int]](), list[tuple[int, int, int]]()
    for tree, (curve, number) in enumerate(zip(curves, numbers, strict=True)):
        knots = curve.knots.tolist()
        for node, (knot, less, more) in enumerate(_nodes(len(knots))):
            threshold = knots[knot] if less else 0.0
            nodes.append((tree, node, number, threshold, less, more))
            if not less:
                targets += [(tree, node, i * len(curves) + tree) for i in range(PER_SEGMENT)]
    trees, ids, features, thresholds, less_ids, more_ids = map(list, zip(*nodes, strict=True))
    target_trees, target_nodes, target_ids = map(list, zip(*targets, strict=True))
    return {
        "n_targets": PER_SEGMENT * len(curves),
        "nodes_treeids": trees,
        "nodes_nodeids": ids,
        "nodes_featureids": features,
        "nodes_modes": tuple("BRANCH_LT" if less else "LEAF" for less in less_ids),
        "nodes_values": np.array(thresholds, np.float32),
        "nodes_truenodeids": less_ids,
        "nodes_falsenodeids": more_ids,
        "target_treeids": target_trees,
        "target_nodeids": target_nodes,
        "target_ids": target_ids,
        "target_weights": segment_weights(curves),
    }


def segment_weights(curves: Sequence[Curve]) -> Float32:
    """Value, slope and origin of each segment of each curve, one after the other."""
    parts = [np.stack([curve.value, curve.slope, curve.origin], axis=1) for curve in curves]
    return np.concatenate(parts).reshape(-1)


def curves_of(weights: Array, knots: Sequence[Sequence[float]]) -> tuple[Curve, ...]:
    """The curves with these `knots` whose `segment_weights` are `weights`."""
    found, start = list[Curve](), 0
    segments = weights.reshape(-1, PER_SEGMENT)
    for of_curve in knots:
        stop = start + len(of_curve) + 1
        value, slope, _ = segments[start:stop].T.copy()
        found.append(Curve(np.array(of_curve, np.float32), value, slope))
        start = stop
    return tuple(found)


def _nodes(knots: int) -> list[tuple[int, int, int]]:
    """The nodes of a balanced tree that finds one of knots + 1 segments: of each the position of
    the knot that a number is compared with, the node where it is less, and the node where it is
    not. Leaves, which have no such nodes but 0, are in the order of the segments."""
    found: list[tuple[int, int, int]] = []

    def add(first: int, last: int) -> int:
        node, knot = len(found), (first + last) // 2
        found.append((first, 0, 0))
        if first < last:
            found[node] = knot, add(first, knot), add(knot + 1, last)
        return node

    add(0, knots)
    return found
