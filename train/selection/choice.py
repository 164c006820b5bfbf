"""What was chosen of a model before it is trained on all rows, and by which figures."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch

from serve_runtime.arrays import Float32, Float64
from train.bends.candidates import with_knots
from train.design import Design


@dataclass(frozen=True)
class Point:
    """How a strength has done on the rows that were left out."""

    c: float | None
    """The strength in scikit-learn's terms: C = 1 / (rows · (l1 + l2)); None without a penalty."""
    log_loss: float
    """The mean over all rows, each of which was left out once."""
    standard_error: float
    """Of that mean."""


@dataclass(frozen=True)
class Candidate:
    """A design that was tried, with strengths of its penalty."""

    name: str
    """What a person reads, such as "no bends"; empty where there is one design only."""
    columns: int
    """The columns of its layer."""
    points: tuple[Point, ...]
    """From strong to weak penalties."""

    @property
    def best(self) -> int:
        """The place of the point with the lowest mean log loss."""
        losses = [point.log_loss for point in self.points]
        return losses.index(min(losses))


@dataclass(frozen=True)
class FoldFigures:
    """What a fit is worth on the fold that it was left without."""

    auc: float | None
    log_loss: float


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Choice:
    """The design and the penalty of a training, and what was found out of fold.

    Without folds there are no figures, and no scores.
    """

    design: Design
    l2: float
    """Of the mean cost over all rows to train on."""
    l1: float
    candidates: tuple[Candidate, ...] = ()
    taken: int = 0
    """Which of the candidates was taken."""
    folds: tuple[FoldFigures, ...] = ()
    labels: Float32 | None = None
    """(m,) of the rows that were looked at."""
    out_of_fold: Float64 | None = None
    """(m,) their logits, each by a fit without the row, corrected for weights of classes where the
    model is."""
    weights: Float32 | None = None
    """(m,) how much they count, with the rows of the table that they stand for; None where all
    are 1."""

    def figures(self) -> dict[str, Any]:
        """What metrics.json says of it; empty where there were no folds."""
        if not self.folds or self.labels is None:
            return {}
        return {
            "l2": self.l2,
            "l1": self.l1,
            "rows": len(self.labels),
            "folds": [asdict(fold) for fold in self.folds],
            "taken": self.taken,
            "candidates": [asdict(candidate) for candidate in self.candidates],
        }

    def state_dict(self) -> dict[str, Any]:
        """All but the design, of which it holds the knots, as a checkpoint has it."""
        arrays = {
            name: None if values is None else torch.from_numpy(values)
            for name, values in self._arrays()
        }
        return {
            "l2": self.l2,
            "l1": self.l1,
            "knots": {column.name: list(column.knots) for column in self.design.columns},
            "candidates": [asdict(candidate) for candidate in self.candidates],
            "taken": self.taken,
            "folds": [asdict(fold) for fold in self.folds],
            **arrays,
        }

    def _arrays(self) -> Iterator[tuple[str, Float32 | Float64 | None]]:
        for name in ("labels", "out_of_fold", "weights"):
            yield name, getattr(self, name)

    @classmethod
    def restored(cls, design: Design, state: Mapping[str, Any]) -> "Choice":
        """The choice of a `state_dict`, of a training with this design, but for its knots.

        Raises KeyError, TypeError or AttributeError where it is none.
        """
        candidates = tuple(
            Candidate(
                saved["name"], saved["columns"], tuple(Point(**point) for point in saved["points"])
            )
            for saved in state["candidates"]
        )
        arrays = {
            name: None if state[name] is None else state[name].numpy()
            for name in ("labels", "out_of_fold", "weights")
        }
        folds = tuple(FoldFigures(**fold) for fold in state["folds"])
        knots = {name: tuple(found) for name, found in state["knots"].items()}
        bent, l2, l1 = with_knots(design, knots), state["l2"], state["l1"]
        return cls(bent, l2, l1, candidates, state["taken"], folds, **arrays)
