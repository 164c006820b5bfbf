"""What fits of designs are worth on rows left out of them, over strengths of the penalty."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from serve_runtime.arrays import Float64
from serve_runtime.commands.progress import Count
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

STRENGTHS: Final = tuple(10.0**k for k in range(4, -5, -1))
"""Of 1 / C, from strong to weak penalties: those that are tried first."""
_BETWEEN = 10**0.5
"""The best is then refined by those that are so many times as strong and as weak."""
_RISEN = 2.0
"""A mean log loss has clearly risen where it is so many standard errors above the lowest one."""
_LEVEL, _HARDLY = 1e-6, 1e-3
"""A mean log loss that changes by no more than the first share of itself stays as it is; one that
falls by less than the second is not worth a step of ten times more, where designs are compared."""
_CLOSE = 1e-1
"""The squared decrement of a fit before its last step, which leaves less of it than would be seen
in the fourth digit of a log loss of 1 000 rows."""

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
    thetas: Sequence[Float64 | None]
    """(folds, d + 1) the fits of each point, where they are known."""

    @property
    def candidate(self) -> Candidate:
        """What a person reads of it."""
        return Candidate(describe(self.design), self.design.width, tuple(self.points))

    @property
    def best(self) -> int:
        """The place of the point with the lowest mean log loss."""
        return self.candidate.best

    def joined(self, other: "Tried") -> "Tried":
        """With the points of `other`, which has the same design, too."""
        strengths = [*self.strengths, *other.strengths]
        points, logits = [*self.points, *other.points], [*self.logits, *other.logits]
        thetas = [*self.thetas, *other.thetas]
        order = np.argsort(strengths)[::-1]
        return Tried(
            self.design,
            [strengths[i] for i in order],
            [points[i] for i in order],
            [logits[i] for i in order],
            [thetas[i] for i in order],
        )

    def carried_to(self, design: Design) -> Float64 | None:
        """The best fits (folds, d + 1) as those of a `design` that differs in its bends: what has
        the same knots in both keeps its weights, other bends get 0."""
        theta = self.thetas[self.best]
        if theta is None:
            return None
        before, flat = self.design, design.flat
        found = np.zeros((len(theta), design.width + 1))
        found[:, :flat], found[:, design.dense :] = theta[:, :flat], theta[:, before.dense :]
        for number, place in design.further.items():
            if before.numbers[number].knots == design.numbers[number].knots:
                found[:, place] = theta[:, before.further[number]]
        return found

    @property
    def lowest(self) -> float:
        """The log loss of the best point."""
        return self.points[self.best].log_loss


class Search:
    """Fits of designs without each fold of a sample, whose rows are in the folds `fold` (n,)."""

    def __init__(
        self, recipe: Recipe, sample: Sample, fold: Indices, judge: Judge, count: Count
    ) -> None:
        """`count` is told of fits."""
        self._standardize, self._chosen = recipe.model.standardize, recipe.l2 == "auto"
        self._b = recipe.l1 * sample.total
        self._sample, self._fold, self._folds = sample, fold, int(fold.max()) + 1
        self._judge, self._count = judge, count
        self._last: tuple[Design, Rows] | None = None

    def several(self, designs: Iterable[Design], strengths: Sequence[float]) -> list[Tried]:
        """The first of `designs`, if it has no bends, with all `strengths`, until the log loss has
        risen, and those beside the best; bent ones with each that is ten times weaker, from ten
        times the first one's best on, while it falls. A design that is no better than all before is
        the last."""
        tried = list[Tried]()
        for design in designs:
            if not design.bases:
                tried.append(self._with_beside(self._along(design, strengths, along)))
                if self._chosen:
                    best = tried[0].strengths[tried[0].best]
                    strengths = _possible(best * 10 * of / STRENGTHS[0] for of in STRENGTHS)
                continue
            start = tried[-1].carried_to(design) if tried else None
            tried.append(self._along(design, strengths, _while_falling, start))
            if tried[-1].lowest > min(each.lowest for each in tried):
                break
        return tried

    def refined(self, tried: list[Tried], taken: int, *, prune: bool) -> tuple[list[Tried], int]:
        """The same, with the bent one `taken` at strengths beside its best; where to `prune`,
        without the bends that bring nothing, if that is not worse."""
        before = tried[taken]
        if prune and (useless := list(self._useless(before))):
            names = [before.design.numbers[number].name for number in useless]
            design = with_knots(before.design, dict.fromkeys(names, ()))
            if design.bases:
                a = before.strengths[before.best]
                found = self._with_beside(self._along(design, [a], _all, before.carried_to(design)))
                if found.lowest <= before.lowest:
                    return [*tried, found], len(tried)
        return [*tried[:taken], self._with_beside(before), *tried[taken + 1 :]], taken

    def _with_beside(self, tried: Tried) -> Tried:
        """The same, with the strengths beside its best one."""
        if not self._chosen:
            return tried
        a = tried.strengths[tried.best]
        beside = _possible([a * _BETWEEN, a / _BETWEEN])
        start = tried.carried_to(tried.design)
        return tried.joined(self._along(tried.design, beside, _all, start))

    def _useless(self, tried: Tried) -> Iterator[int]:
        theta, design = tried.thetas[tried.best], tried.design
        if theta is not None:
            features, logits = self._rows(design).features.numpy(), tried.logits[tried.best]
            yield from useless_bends(
                design, features, self._fold, theta, logits, self._judge, self._sample.counts
            )

    def _along(
        self, design: Design, strengths: Sequence[float], way: Way, start: Float64 | None = None
    ) -> Tried:
        path = FoldPath(self._rows(design), self._fold, self._folds, self._b, _CLOSE)
        if start is not None:
            path.begin_at(start)
        points, logits, thetas = list[Point](), list[Float64](), list[Float64 | None]()
        judge = self._judge
        for a, found in zip(strengths, way(path, strengths, judge), strict=False):
            self._count.update(self._folds)
            losses, both = judge.losses(found), a + self._b
            c = 1 / both if both else None
            points.append(Point(c, judge.mean(losses), judge.standard_error(losses)))
            logits.append(found)
            thetas.append(path.theta)
        return Tried(design, strengths[: len(points)], points, logits, thetas)

    def _rows(self, design: Design) -> Rows:
        if self._last is None or self._last[0] is not design:
            weights = self._judge.in_fits
            rows = self._sample.rows(design, weights, standardize=self._standardize)
            check_known(are_known(rows))
            self._last = design, rows
        return self._last[1]


def _possible(strengths: Iterable[float]) -> list[float]:
    """Those between the first and the last of the STRENGTHS, rounding aside."""
    first, last = STRENGTHS[0] * 1.01, STRENGTHS[-1] * 0.99
    return [of for of in strengths if last < of < first]


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
    lowest, before = None, np.inf
    for a in strengths:
        logits = path.solve(a) - judge.shift
        yield logits
        losses = judge.losses(logits)
        now = judge.mean(losses)
        if abs(now - before) <= _LEVEL * now:
            break
        before = now
        if lowest is None or now < judge.mean(lowest):
            lowest = losses
            continue
        apart = losses - lowest
        if judge.mean(apart) > _RISEN * judge.standard_error(apart):
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
