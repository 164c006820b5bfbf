"""What a finished model is worth on a table."""

from collections.abc import Mapping

import numpy as np
import torch
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from torch import nn

from train.errors import DataError
from train.gradients.losses import LOSSES, logits
from train.model import parameters
from train.tables.table import Table

Metrics = Mapping[str, float | None]


@torch.no_grad()
def evaluate(model: nn.Sequential, table: Table, loss: str, *, part: str = "training") -> Metrics:
    """Rows, features, cost, accuracy, AUC and log loss of `model` (raw features, CPU) on `table`.

    Logits are the float32 ones that will be served; probabilities are widened to float64 before
    the metrics see them. AUC is None where the table holds one class. Raises DataError where a
    logit leaves float32; `part` names the table in its message.
    """
    theta = torch.cat([part.flatten() for part in parameters(model)])
    logit = logits(torch.from_numpy(table.features), theta)
    if not logit.isfinite().all():
        row = int((~logit.isfinite()).int().argmax())
        raise DataError(f"{part} row {row + 1}: its logit leaves float32: check its units")
    probability = logit.double().sigmoid().numpy()
    labels = table.labels.astype(np.int64)
    both = 0 < labels.sum() < len(labels)
    return {
        "rows": float(table.rows),
        "features": float(len(table.features)),
        "cost": float(LOSSES[loss].cost(logit.double(), torch.from_numpy(table.labels).double())),
        "accuracy": float(accuracy_score(labels, logit.sigmoid().numpy() >= np.float32(0.5))),
        "auc": float(roc_auc_score(labels, logit.numpy())) if both else None,
        "log_loss": float(log_loss(labels, probability, labels=[0, 1])),
    }


def report(parts: Mapping[str, Metrics]) -> str:
    """The metrics as a table, one line for each part of the data."""
    header = ("", "rows", "features", "cost", "accuracy", "AUC", "log loss")
    lines = ["{:<10}{:>10}{:>10}{:>10}{:>10}{:>10}{:>10}".format(*header)]
    for name, m in parts.items():
        auc = "-" if m["auc"] is None else f"{m['auc']:.4f}"
        lines.append(
            f"{name:<10}{m['rows']:>10,.0f}{m['features']:>10,.0f}{_cost(m['cost'])}"
            f"{m['accuracy']:>10.2%}{auc:>10}{_cost(m['log_loss'])}"
        )
    return "\n".join(lines)


def _cost(value: float | None) -> str:
    return f" {value:>9.6f}" if value is not None and value < 100 else f" {value:>9.4g}"
