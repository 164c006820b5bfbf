"""The command `serve-runtime inspect`."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from serve_runtime.commands.errors import command_errors
from serve_runtime.feature_names import printable

if TYPE_CHECKING:
    from serve_runtime.bundle.card import ModelCard

_METRICS = ("cost", "accuracy", "auc", "log_loss")


@click.command()
@click.argument("bundle", type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print the whole model card as JSON.")
def inspect(bundle: str, as_json: bool) -> None:
    """Show what a model expects and how it was trained.

    These are the facts on the model card that is stored in every model file.

    \b
    Example:
      serve-runtime inspect bundles/churn
    """
    with command_errors():
        from serve_runtime.bundle.model_file import read_models

        models = read_models(bundle)
        card = models[0].card
        if as_json:
            click.echo(card.to_json())
            return
        names = [os.path.basename(model.path) for model in models]  # noqa: PTH119
        files = ", ".join(f"{name}: {m.layout}" for name, m in zip(names, models, strict=True))
        click.echo(f"model        {bundle} ({files})")
        click.echo(f"model_id     {card.model_id}")
        click.echo(f"this machine {_this_machine()}")
        for line in _card_lines(card):
            click.echo(line)


def _this_machine() -> str:
    """Whether bundles have been proven on a machine and an onnxruntime like these."""
    import platform

    from serve_runtime.inference.sessions import onnxruntime_version
    from serve_runtime.inference.tried import untried

    version, system, machine = onnxruntime_version(), platform.system(), platform.machine()
    if unknown := untried(version, system, machine):
        return "; ".join(unknown) + ": it serves where `serve-runtime selftest` passes"
    return f"onnxruntime {version} on {system} {machine}: models were proven on such"


def _card_lines(card: "ModelCard") -> Iterator[str]:
    """The model card in words: a line for each fact, then one for each feature."""
    negative, positive = card.classes
    yield f"labels       {negative!r} (negative), {positive!r} (positive)"
    yield f"threshold    positive where probability >= {card.threshold:g}"
    yield f"missing      {card.missing}: a row with a missing or infinite value is refused"
    training = card.training
    for key in ("rows", "holdout_rows"):
        if key in training:
            yield f"{key:12s} {training[key]:,}"
    if "data_sha256" in training:
        yield f"data_sha256  {training['data_sha256']}"
    # Training measured the accuracy at its own threshold, whatever export was told since.
    note = {"accuracy": " at 0.5"} if card.threshold != 0.5 else {}
    for split, figures in training.get("metrics", {}).items():
        shown = [
            f"{name}{note.get(name, '')} {figures[name]:.6g}"
            for name in _METRICS
            if figures.get(name) is not None
        ]
        yield f"{split:12s} {', '.join(shown)}"
    versions = training.get("versions", {})
    yield f"versions     {', '.join(f'{k} {v}' for k, v in sorted(versions.items()))}"
    yield f"golden rows  {len(card.golden)} test rows with their exact scores, for selftest"
    weights = _weights(card)
    told = "its range in the training rows"
    if weights:
        told += ", and by how much the logit rises with one standard deviation"
    yield f"features     {len(card.feature_names)}, each with {told}"
    ranges = zip(card.feature_names, card.feature_min, card.feature_max, strict=True)
    for i, (name, low, high) in enumerate(ranges):
        weight = f"  {weights[i]:+.4g}" if weights else ""
        yield f"  {printable(name)}  [{low:g}, {high:g}]{weight}"


def _weights(card: "ModelCard") -> list[float] | None:
    """The weight per standard deviation of each feature; None where the card does not tell."""
    from serve_runtime.bundle.card import WEIGHTS_PER_DEVIATION

    found = card.training.get(WEIGHTS_PER_DEVIATION)
    if not isinstance(found, list) or len(found) != len(card.feature_names):
        return None
    return found if all(isinstance(weight, float) for weight in found) else None
