"""One training run, from the recipe to the run folder, step by step."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import MEANS, WEIGHTS_PER_DEVIATION, ModelCard
from serve_runtime.commands.progress import show_step
from serve_runtime.errors import OutputError
from serve_runtime.features.encoding import sha256_of
from serve_runtime.outputs.keep_beside import KeptBesideError
from serve_runtime.outputs.new_folder import new_folder
from serve_runtime.shown import listed, quoted
from train.bends.candidates import with_knots
from train.dataset.choose import choose_dataset
from train.dataset.dataset import Dataset
from train.errors import TrainError
from train.evaluate.decision import decide
from train.evaluate.metrics import Metrics
from train.evaluate.prior_correction import with_prior
from train.evaluate.rounding_cost import rounding_cost
from train.evaluate.say_result import judge, warn_if_worse_than_guessing
from train.evaluate.summary import Summary
from train.gradients.processes import SINGLE_PROCESS, ProcessGroup
from train.memory_budget import format_size, peak
from train.model import new_model
from train.optimize.curvature import resolve_learning_rate
from train.optimize.fit import Fit, Record, pick_device
from train.persistence import history, run_folder
from train.persistence.checkpoints import Checkpoints, path_of, saved_choice
from train.profile.profile import profile
from train.profile.scores import ScoreCounts
from train.recipe.recipe import Recipe
from train.selection.report import ranking, told
from train.statistics.estimates import statistics
from train.statistics.importance import curve_deviations, importance
from train.trained import Trained

_SHOWN = 20
"""Most features that are named before training begins."""

Watch = Callable[[Fit], Iterable[Record | None]]


@dataclass(frozen=True)
class Result:
    """What a finished run is, besides its folder."""

    metrics: dict[str, Metrics]
    """By part: "training" and, where there is one, "holdout"."""
    card: ModelCard
    summary: Summary
    """What to show a person."""
    missed: str
    """What was asked of the threshold and cannot be had, with what to do; empty where nothing is
    missed."""
    figures: Mapping[str, Any]
    """What metrics.json holds."""


def train(
    recipe: Recipe,
    out: Path,
    *,
    force: bool = False,
    resume: bool = False,
    group: ProcessGroup = SINGLE_PROCESS,
    watch: Watch = lambda fit: fit,
    say: Callable[[str], None] = lambda text: None,
) -> Result:
    """Train as `recipe` says and leave the run folder `out`; nothing appears unless it succeeds.

    A training that is ended by a signal leaves a checkpoint beside it, from which another call with
    `resume` goes on. `watch` is given the `Fit`, iterates over it and yields its items, and may
    show them; `say` takes lines for a person. All processes of `group` call this with the same
    arguments; the first one writes. Raises subclasses of ServeError.
    """
    device = pick_device(recipe.optimizer.device)
    with _folder(out, force, resume, group) as folder:
        show_step("reading")
        saved = saved_choice(out, group) if resume else None
        data = choose_dataset(recipe, device, folder, say, group, saved)
        design = data.layer.design
        names = [column.name for column in design.columns]
        say(f"{data.rows:,} rows, {len(names):,} features, positive class "
            f"{quoted(data.classes.labels[1])}, on {device}")  # fmt: skip
        if with_knots(design, dict.fromkeys(names, ())).is_numeric:  # else there is a table
            say(f"features: {listed(names, _SHOWN)}")
        if data.holdout_rows:
            say(f"{data.holdout_rows:,} more rows are held out")
        for line in told(data.choice, data.rows, chosen=recipe.l2 == "auto"):
            say(line)

        show_step("preparing")
        optimizer = replace(recipe.optimizer, weight_decay=data.choice.l2)
        model = new_model(design.width, recipe.model.init, recipe.model.seed).to(device)
        rows = data.gradient_source(batches=recipe.optimizer.in_batches(data.rows))
        spec, preconditioner = optimizer.resolved(1.0), None
        if not recipe.l1:  # which needs no steps of gradient descent
            spec, preconditioner = resolve_learning_rate(rows, optimizer)
        if recipe.optimizer.lr == "auto" and preconditioner is None and not recipe.l1:
            say(f"lr {spec.lr:.4g}, as long as the curvature of the cost allows")
        fit = Fit(
            model,
            spec,
            rows,
            every=recipe.log.every,
            shuffle=torch.Generator().manual_seed(recipe.model.seed),
            validation=data.holdout(),
            preconditioner=preconditioner,
            l1=recipe.l1,
        )
        inputs = dict(data.digests)  # what the result depends on besides the recipe
        if recipe.optimizer.in_batches(data.rows):
            inputs["picking of mini-batches"] = data.picking
        checkpoints = Checkpoints(recipe, out, inputs, data.choice.state_dict(), say, group)
        if resume and checkpoints.load(fit):
            say(f"going on after update {fit.state.updates:,}")
        elif resume:
            say(f"no checkpoint at {checkpoints.path}: starting at the beginning")
        try:
            with checkpoints.keeping(fit):
                for _ in watch(fit):
                    pass
        except TrainError:  # it would fail again
            checkpoints.remove()
            raise

        show_step("measuring")
        judge(fit, rows, data, recipe.optimizer, say)
        theta, by_class = fit.theta.cpu().numpy(), data.class_weights is not None
        theta = with_prior(theta, data.class_weights, data.classes, recipe.model, say)
        # Unlike machines may round it differently, so all processes take that of the first.
        decision = group.gather(decide(recipe, data, say))[0]
        before = None
        if decision.step is not None:
            before = decision.on_holdout(_trained(theta, data), data, group)
            theta = decision.calibrated(theta)
        trained = _trained(theta, data)
        served, encoding = _served(trained, design.names), trained.encoding()
        counts = {part: ScoreCounts() for part in data.positives}
        see = {part: count.add for part, count in counts.items()}
        metrics = data.evaluate(served, encoding, see)
        for line in (lost := list(rounding_cost(data, trained, metrics["training"]))):
            say(line)
        of_others = by_class and recipe.model.prior_correction is False
        if not (lost or of_others):  # they tell why it may be worse
            warn_if_worse_than_guessing(data.positives["training"], metrics["training"], say)
        final = torch.from_numpy(theta).to(fit.theta)
        bent = curve_deviations(rows, final, data.layer)
        per_deviation = trained.per_deviation(data.moments.deviation, bent)
        after = decision.on_holdout(trained, data, group)
        if after is not None:
            for line in after.told(before):
                say(line)
        card = _card(recipe, data, sha256_of(served, encoding), metrics, per_deviation)
        card = replace(card, threshold=decision.threshold)
        weights = dict(zip(names, per_deviation, strict=True))
        shares = importance(rows, final, data.layer, data.moments)
        figures = {
            "metrics": metrics,
            WEIGHTS_PER_DEVIATION: weights,
            "importance": shares,
            "statistics": statistics(
                fit,
                rows,
                data.layer,
                data.total_weight,
                by_class=by_class,
                calibrated=decision.step is not None,
            ),
        }
        figures |= decision.to_dict(before, after)
        if selection := data.choice.figures():
            figures["selection"] = selection
        scores = {part: count.finish(group) for part, count in counts.items()}
        if group.first:
            history.write(
                folder / run_folder.HISTORY, fit.records, validation=data.holdout_rows > 0
            )
            run_folder.write(
                folder,
                trained=trained,
                sample=data.sample(),
                card=card,
                figures=figures,
                training=fit.state_dict(),
                profile=profile(design, data.histogram_rows(), shares, scores),
            )
            (folder / run_folder.RECIPE).write_text(
                recipe.written_out().to_toml(), encoding="utf-8"
            )
        if data.on_disk:
            say(f"at most {format_size(peak())} of memory were resident")
    checkpoints.remove()
    straight = [column.name for column in design.numbers if not column.knots]
    summary = Summary(
        metrics,
        data.positives,
        weights,
        recipe.optimizer.loss,
        straight,
        data.classes.labels,
        decision.threshold,
        after.labels if after else None,
        list(ranking(data.choice, chosen=recipe.l2 == "auto")),
        fit.records,
        fit.state.updates,
    )
    return Result(metrics, card, summary, decision.missed, figures)


def _trained(theta: Float32, data: Dataset) -> Trained:
    return Trained(theta[:-1].copy(), float(theta[-1]), data.layer.scaling, data.layer.design)


@contextmanager
def _folder(out: Path, force: bool, resume: bool, group: ProcessGroup) -> Iterator[Path]:
    """A temporary folder that becomes `out` at the end; for other processes than the first, which
    write nothing into it, the folder above `out`."""
    checkpoint = path_of(out)
    if group.first:
        try:
            with new_folder(out, marker=run_folder.CHECKPOINT, force=force) as folder:
                if checkpoint.exists() and not (resume or force):
                    raise OutputError(
                        f"{checkpoint} is the checkpoint of a training that was interrupted: go on "
                        "with --resume, or start anew with --force"
                    )
                group.gather(None)
                yield folder
        except KeptBesideError:  # the run is complete, if under another name
            checkpoint.unlink(missing_ok=True)
            raise
    else:
        group.gather(None)  # until the first has made the folders above `out`, or has failed
        yield out.parent


def _served(trained: Trained, names: Sequence[str]) -> Affine:
    """The model on raw features, folded. Raises TrainError where float32 does not hold it, with
    those of the `names` of the layer's columns whose weights it does not hold."""
    served, layer, encoding = trained.affine(), trained.layer(), trained.encoding()
    odd = [name for name, w in zip(names, layer.weight, strict=True) if not np.isfinite(w)]
    if encoding is not None:
        for place, curve in zip(encoding.bent, encoding.curves, strict=True):
            if not np.isfinite([curve.value, curve.slope]).all():
                odd.append(f"the curve of {encoding.numbers[place].name}")
    if odd or not np.isfinite(layer.values).all():
        raise TrainError(
            f"the weights for raw features leave float32{bool(odd) * f', of {listed(odd)}'}: "
            "rescale the features so that their standard deviations are neither tiny nor huge"
        )
    return served


def _means(data: Dataset) -> list[float | None]:
    """The mean of each column over the training rows, gaps filled; None of a category."""
    design = data.layer.design
    numbers = zip(design.numbers, data.moments.mean.tolist(), strict=False)
    means = {column.name: mean for column, mean in numbers}
    return [means.get(column.name) for column in design.columns]


def _card(
    recipe: Recipe,
    data: Dataset,
    weights_sha256: str,
    metrics: dict[str, Metrics],
    per_deviation: list[float],
) -> ModelCard:
    training: dict[str, Any] = {
        "recipe": recipe.written_out().without_paths().to_dict(),
        "data_sha256": data.digests["training rows"],
        "rows": data.rows,
        "holdout_rows": data.holdout_rows,
        "metrics": metrics,
        WEIGHTS_PER_DEVIATION: per_deviation,
        MEANS: _means(data),
        "versions": run_folder.versions(),
    }
    if recipe.l2 == "auto":
        training["penalty"] = {"l2": data.choice.l2, "l1": data.choice.l1}
    return ModelCard(
        columns=data.layer.design.columns,
        classes=data.classes.labels,
        weights_sha256=weights_sha256,
        dialect=data.dialect,
        training=training,
    )
