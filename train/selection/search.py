"""What fits of designs are worth on rows left out of them, over strengths of the penalty."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

from serve_runtime.arrays import Float64
from train.bends.candidates import describe, with_knots
from train.dataset.dataset import check_known
from train.design import Design
from train.gradients.source import Rows, are_known
from train.recipe.recipe import Recipe
from train.selection.choice import Candidate, Point
from train.selection.judge import Judge
from train.selection.path import FoldPath
from train.selection.sample import Sample
from train.selection.useless import useless_bends
from train.tables.columns.profile import Indices

TENFOLD: Final = 2
"""Places on the path of strengths from one to another that is ten times as weak."""
STRENGTHS: Final = tuple(10.0 ** (k / TENFOLD) for k in range(4 * TENFOLD, -4 * TENFOLD - 1, -1))
"""Of 1 / C, from strong to weak penalties."""
_STRONGER = TENFOLD
"""Places before the best strength of straight numbers at which those of bent ones begin."""
_RISEN = 2.0
"""A mean log loss has clearly risen where it is so many standard errors above the lowest one."""
_LEVEL, _HARDLY = 1e-6, 1e-3
"""A mean log loss that changes by no more than the first share of itself stays as it is; one that
falls by less than the second is not worth a step of ten times more, where designs are compared."""
_CLOSE = 1e-3
"""Of fits of bent numbers: a hundredth of what would be seen in a log loss of 1 000 rows."""

Way: TypeAlias = Callable[[FoldPath, Sequence[float], Judge], Iterator[Float64]]
"""The corrected logits (n,) along a path, with as many of the strengths as are worth it."""


@dataclass(frozen=True, eq=False)  # arrays have no single ==
class Tried:
    """A design, and what fits of it are worth out of fold."""

    design: Design
    strengths: Sequence[float]
    """Of 1 / C, of the L2 penalty alone."""
    points: Sequence[Point]
    logits: Sequence[Float64]
    """(n,) of each point."""

    @property
    def candidate(self) -> Candidate:
        """What a person reads of it."""
        return Candidate(describe(self.design), self.design.width, tuple(self.points))

    @property
    def best(self) -> int:
        """The place of the point with the lowest mean log loss."""
        return self.candidate.best

    @property
    def lowest(self) -> float:
        """The log loss of the best point."""
        return self.points[self.best].log_loss


class Search:
    """Fits of designs without each fold of a sample, whose rows are in the folds `fold` (n,)."""

    def __init__(
        self, recipe: Recipe, sample: Sample, fold: Indices, judge: Judge, bar: Any
    ) -> None:
        """`bar` is told of fits."""
        self._standardize, self._chosen = recipe.model.standardize, recipe.l2 == "auto"
        self._b = recipe.l1 * sample.total
        self._sample, self._fold, self._folds = sample, fold, int(fold.max()) + 1
        self._judge, self._bar = judge, bar

    def several(self, designs: Iterable[Design], strengths: Sequence[float]) -> list[Tried]:
        """The first of `designs`, if it has no bends, with all `strengths`, until the log loss has
        risen; bent ones with each that is ten times weaker, from ten times the first one's best
        on, while it falls. A design that is no better than all before is the last."""
        tried = list[Tried]()
        for design in designs:
            if not design.bases:
                tried.append(self._along(design, strengths, along))
                strengths = strengths[max(0, tried[0].best - _STRONGER) :]
                continue
            tried.append(self._along(design, strengths[::TENFOLD], _while_falling))
            if tried[-1].lowest > min(each.lowest for each in tried):
                break
        return tried

    def refined(self, tried: list[Tried], taken: int, *, prune: bool) -> tuple[list[Tried], int]:
        """The same, with the one `taken` at strengths between those that were tried; where to
        `prune`, without the bends that bring nothing, if that is not worse."""
        before = tried[taken]
        a, design = before.strengths[before.best], before.design
        step = 10 ** (1 / TENFOLD) if self._chosen else 1
        if prune and (useless := list(self._useless(before))):
            names = [design.numbers[number].name for number in useless]
            design = with_knots(design, dict.fromkeys(names, ()))
        if not design.bases:
            return tried, taken
        found = self._along(design, sorted({a * step, a, a / step}, reverse=True), _all)
        if found.lowest > before.lowest:
            return tried, taken
        if design is before.design:
            return [*tried[:taken], found, *tried[taken + 1 :]], taken
        return [*tried, found], len(tried)

    def _useless(self, tried: Tried) -> Iterator[int]:
        rows = self._rows(tried.design)
        path = FoldPath(rows, self._fold, self._folds, self._b, _CLOSE)
        logits = path.solve(tried.strengths[tried.best]) - self._judge.shift
        if (theta := path.theta) is not None:
            features, counts = rows.features.numpy(), self._sample.counts
            yield from useless_bends(
                tried.design, features, self._fold, theta, logits, self._judge, counts
            )

    def _along(self, design: Design, strengths: Sequence[float], way: Way) -> Tried:
        close = (_CLOSE,) if design.bases else ()
        path = FoldPath(self._rows(design), self._fold, self._folds, self._b, *close)
        points, logits, judge = list[Point](), list[Float64](), self._judge
        for a, found in zip(strengths, way(path, strengths, judge), strict=False):
            self._bar.update(self._folds)
            losses, both = judge.losses(found), a + self._b
            c = 1 / both if both else None
            points.append(Point(c, judge.mean(losses), judge.standard_error(losses)))
            logits.append(found)
        return Tried(design, strengths, points, logits)

    def _rows(self, design: Design) -> Rows:
        weights = self._judge.in_fits
        rows = self._sample.rows(design, weights, standardize=self._standardize)
        check_known(are_known(rows))
        return rows


def simplest(tried: Sequence[Tried], judge: Judge) -> int:
    """The place of the first of `tried` than which none is better by more than the standard error
    of the difference, over rows."""
    losses = [judge.losses(each.logits[each.best]) for each in tried]
    lowest = min(losses, key=judge.mean)
    apart = [of - lowest for of in losses]
    return [judge.mean(of) <= judge.standard_error(of) for of in apart].index(True)


def along(path: FoldPath, strengths: Sequence[float], judge: Judge) -> Iterator[Float64]:
    """The logits (n,) with each strength, until the log loss has clearly risen, or changes no
    more."""
    lowest, rising, level, before = None, 0, 0, np.inf
    for a in strengths:
        logits = path.solve(a) - judge.shift
        yield logits
        losses = judge.losses(logits)
        now = judge.mean(losses)
        level, before = (level + 1 if abs(now - before) <= _LEVEL * now else 0), now
        if level >= TENFOLD:
            break
        if lowest is None or now < judge.mean(lowest):
            lowest, rising = losses, 0
            continue
        rising += 1
        apart = losses - lowest
        risen = judge.mean(apart) > _RISEN * judge.standard_error(apart)
        if rising >= TENFOLD and risen:
            break


def _while_falling(path: FoldPath, strengths: Sequence[float], judge: Judge) -> Iterator[Float64]:
    """The logits (n,) with each strength, until the log loss falls hardly any more. A penalty that
    is stronger than what rows tell of a weight leaves none by which a bend could show."""
    before = np.inf
    for a in strengths:
        logits = path.solve(a) - judge.shift
        yield logits
        now = judge.log_loss(logits)
        if now > before * (1 - _HARDLY) and a <= judge.information:
            break
        before = now


def _all(path: FoldPath, strengths: Sequence[float], judge: Judge) -> Iterator[Float64]:
    return (path.solve(a) - judge.shift for a in strengths)
