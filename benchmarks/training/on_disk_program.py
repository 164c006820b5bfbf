"""Time epochs over rows that are kept on disk, in a process of its own.

`python -m benchmarks.training.on_disk_program TABLE MEMORY` prints JSON.
"""

import json
import sys
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import torch


def main(source: str, allowed: str) -> dict[str, float]:
    """Seconds to prepare the rows, seconds of an epoch, and the peak of memory in bytes."""
    from train import memory_budget
    from train.dataset import choose
    from train.recipe.recipe import Recipe

    recipe = Recipe.from_dict({"data": {"file": source, "memory": allowed, "holdout": 0}})
    with (
        tempfile.TemporaryDirectory(dir=Path(source).parent) as folder,
        patch.object(choose, "_needed", lambda files: 1 << 60),
    ):
        start = time.perf_counter()
        rows = choose.choose_dataset(recipe, torch.device("cpu"), Path(folder), lambda text: None)
        ready = time.perf_counter()
        data, theta = rows.gradient_source(batches=False), torch.zeros(rows.layer.design.width + 1)
        gradient = torch.empty_like(theta)
        data.gradient("bce", theta, None, gradient)
        epochs, first = 0, time.perf_counter()
        while (now := time.perf_counter()) < first + 1 or epochs < 3:
            data.gradient("bce", theta, None, gradient)
            epochs += 1
        return {
            "rows": rows.rows,
            "prepare": ready - start,
            "epoch": (now - first) / epochs,
            "peak": memory_budget.peak(),
        }


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
