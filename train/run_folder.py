"""The run folder: what training leaves and export reads."""

import io
import pickle
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch

from serve_runtime.arrays import Floats
from serve_runtime.bundle.card import WEIGHTS_PER_DEVIATION, ModelCard
from serve_runtime.bundle.manifest import FileEntry, read_bytes
from serve_runtime.bundle.replaced import read_replaced
from serve_runtime.bundle.sealed_json import seal, unseal
from serve_runtime.errors import ArtifactError
from serve_runtime.shown import quoted
from train.archive import load_archive, require_plain
from train.errors import RunError
from train.evaluate.metrics import Metrics
from train.model import plain_model
from train.standardize import Scaling
from train.trained import Trained

CHECKPOINT: Final = "checkpoint.pt"
METRICS: Final = "metrics.json"
HISTORY: Final = "history.csv"
RECIPE: Final = "recipe.toml"
FORMAT_VERSION: Final = 1

NOT_OURS = (
    *(RuntimeError, pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError),
    *(AttributeError, ArithmeticError, Warning),
)
"""What torch.load raises for a file that is not ours, and what looking into it raises."""
_SAMPLE_ROWS = 256
_SAMPLE_VALUES = 1 << 16


@dataclass(frozen=True)
class Run:
    """What a run folder holds that export needs."""

    state_dict: Mapping[str, torch.Tensor]
    """That of nn.Sequential(nn.Linear(d, 1), nn.Sigmoid()) on raw features."""
    sample: npt.NDArray[np.float32]
    """Some raw training rows and hold-out rows (k, d), on which export compares its artifacts."""
    card: ModelCard
    """The model card; export adds the digests of its graphs and the golden rows."""
    trained: Trained
    """The weights on standardised features; `state_dict` holds them folded for raw features."""


def versions() -> dict[str, str]:
    """The versions of what decides the bits of a training: numpy, Python and torch."""
    return {
        "numpy": np.__version__,
        "python": platform.python_version(),
        "torch": str(torch.__version__),
    }


def sample_positions(rows: int, width: int) -> npt.NDArray[np.intp]:
    """The positions of a sample of `rows` rows: up to 256, evenly spaced, fewer of wide ones."""
    count = min(rows, _SAMPLE_ROWS, max(1, _SAMPLE_VALUES // width))
    return np.linspace(0, rows - 1, count).astype(np.intp)


def sample_rows(*parts: Floats) -> npt.NDArray[np.float32]:
    """A sample (k, d) of the rows of each part (d, n), as they are served."""
    picked = [part[:, sample_positions(part.shape[1], len(part))].T for part in parts]
    return np.concatenate(picked).astype(np.float32)


def write(
    folder: Path,
    *,
    trained: Trained,
    sample: npt.NDArray[np.float32],
    card: ModelCard,
    metrics: Mapping[str, Metrics],
    weights: Mapping[str, float],
    training: Mapping[str, Any],
) -> None:
    """Write checkpoint.pt and metrics.json; `weights` are those per standard deviation of each
    feature, by name, `training` is the state in which training ended."""
    buffer = io.BytesIO()
    torch.save(
        {
            "format_version": FORMAT_VERSION,
            "state_dict": plain_model(trained.affine()).state_dict(),
            "sample": torch.from_numpy(sample),
            "card": card.to_json(),
            "standardized": {
                "0.weight": torch.from_numpy(trained.weight[None]),
                "0.bias": torch.tensor([trained.bias]),
                "mean": torch.from_numpy(trained.scaling.mean),
                "scale": torch.from_numpy(trained.scaling.scale),
            },
            "training": training,
        },
        buffer,
    )
    (folder / CHECKPOINT).write_bytes(buffer.getvalue())
    document = {
        "format_version": FORMAT_VERSION,
        "checkpoint": vars(FileEntry.of(buffer.getvalue())),
        "metrics": metrics,
        WEIGHTS_PER_DEVIATION: weights,
    }
    (folder / METRICS).write_text(seal(document, indent=1), encoding="utf-8")


def read(folder: Path) -> Run:
    """The run in `folder`. Raises RunError unless it is whole, unaltered and of this version."""
    return read_replaced(folder, _read)


def _read(folder: Path) -> Run:
    path = folder / CHECKPOINT
    try:
        content, metrics = read_bytes(path), read_bytes(folder / METRICS)
    except ArtifactError as reason:
        raise RunError(
            f"{folder} is not a run: {reason}; make one with `python -m train`"
        ) from None
    document = unseal(
        metrics.decode("utf-8", errors="replace"),
        what=str(folder / METRICS),
        version=FORMAT_VERSION,
        error=RunError,
        remedy="train again",
        indent=1,
    )
    found = vars(FileEntry.of(content))
    if found != document.get("checkpoint"):
        raise RunError(
            f"{path} is not the checkpoint that {METRICS} describes ({found['size']} bytes, sha256 "
            f"{found['sha256'][:12]}…): it was truncated or altered; train again"
        )
    try:
        saved = load_archive(content)
        if not isinstance(saved, dict):
            raise RunError(f"{path} is no checkpoint of this project: it holds a {type(saved)}")
        version = saved["format_version"]
        if type(version) is not int or version != FORMAT_VERSION:
            shown = quoted(version) if isinstance(version, int | str) else type(version).__name__
            raise RunError(
                f"{path} has format version {shown}, this one reads {FORMAT_VERSION}: train again"
            )
        for part in ("state_dict", "standardized"):
            for tensor in saved[part].values():
                require_plain(tensor)
        require_plain(saved["sample"])
        card = ModelCard.from_json(saved["card"], where=f"the card in {path}")
        run = Run(
            {name: t.detach() for name, t in saved["state_dict"].items()},
            saved["sample"].detach().numpy(),
            card,
            _trained(**saved["standardized"]),
        )
        width = len(card.feature_names)
        shapes = {str(name): tuple(tensor.shape) for name, tensor in run.state_dict.items()}
        tensors = [*run.state_dict.values(), saved["sample"]]
        if shapes != {"0.weight": (1, width), "0.bias": (1,)} or run.sample.shape[1:] != (width,):
            raise RunError(
                f"{path}: the card names {width} features, the weights are {shapes} and the "
                f"sample of rows has shape {run.sample.shape}"
            )
        if not all(t.dtype == torch.float32 and t.isfinite().all() for t in tensors):
            raise RunError(f"{path}: weights and sample must be finite float32: train again")
        folded = torch.cat([t.flatten() for t in run.state_dict.values()]).numpy()
        if not np.array_equal(folded, run.trained.affine().values):
            raise RunError(f"{path}: its weights are not those of its standardised model, folded")
        if card.weights_sha256 != run.trained.affine().sha256():
            raise RunError(f"{path}: its card was made for other weights")
        if not len(run.sample):
            raise RunError(f"{path} holds no sample of rows: train again")
    except RunError:
        raise
    except NOT_OURS as reason:
        raise RunError(f"{path} is no checkpoint of this project: {reason}") from None
    return run


def _trained(mean: torch.Tensor, scale: torch.Tensor, **parameters: torch.Tensor) -> Trained:
    weight, bias = parameters["0.weight"], parameters["0.bias"]
    width = mean.numel()
    shapes = [tuple(tensor.shape) for tensor in (weight, bias, mean, scale)]
    if shapes != [(1, width), (1,), (width,), (width,)]:
        raise ValueError(f"the parts of the standardised model have the shapes {shapes}")
    finite = all(tensor.isfinite().all() for tensor in (weight, bias, mean))
    if not (finite and (scale > 0).all()):  # the scale of a constant feature is infinite
        raise ValueError("the standardised model holds values that no training leaves")
    scaling = Scaling(mean.numpy(), scale.numpy())
    return Trained(weight.detach().numpy()[0], float(bias.detach()[0]), scaling)
