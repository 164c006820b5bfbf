"""The run folder: what training leaves and export reads."""

import io
import pickle
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import torch

from serve_runtime.arrays import Floats
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.manifest import FileEntry, read_bytes
from serve_runtime.bundle.replaced import read_replaced
from serve_runtime.bundle.sealed_json import seal, unseal
from serve_runtime.errors import ArtifactError
from serve_runtime.features.column import Column, is_numeric
from serve_runtime.features.encoding import sha256_of
from serve_runtime.features.raw_rows import RawRows
from serve_runtime.shown import quoted
from train.design import Design
from train.errors import RunError
from train.model import plain_model
from train.persistence.archive import load_archive, require_plain
from train.standardize import Scaling
from train.trained import Trained

CHECKPOINT: Final = "checkpoint.pt"
METRICS: Final = "metrics.json"
PROFILE: Final = "profile.json"
HISTORY: Final = "history.csv"
RECIPE: Final = "recipe.toml"
FORMAT_VERSION: Final = 2

NOT_OURS = (
    *(RuntimeError, pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError),
    *(AttributeError, ArithmeticError, Warning),
)
"""What torch.load raises for a file that is not ours, and what looking into it raises."""
_SAMPLE_ROWS = 256
_SAMPLE_VALUES = 1 << 16


Sample: TypeAlias = npt.NDArray[np.float32] | RawRows
"""Raw rows: (n, d) where all columns are plain numbers."""


@dataclass(frozen=True)
class Run:
    """What a run folder holds that export needs."""

    state_dict: Mapping[str, torch.Tensor]
    """That of nn.Sequential(nn.Linear(d, 1), nn.Sigmoid()) on the columns of `Trained.layer`: raw
    features, where all are plain numbers."""
    sample: Sample
    """Some raw training rows and hold-out rows, on which export compares its artifacts."""
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


def raw_rows(design: Design, numbers: Floats, texts: tuple[tuple[str | None, ...], ...]) -> RawRows:
    """Rows of raw `numbers` (k, n), of which those that are served in float32 have its values."""
    wide, plain = np.array(numbers, np.float64, order="C"), len(design.numbers) - len(design.center)
    wide[:plain] = wide[:plain].astype(np.float32)
    return RawRows(wide, texts)


def write(
    folder: Path,
    *,
    trained: Trained,
    sample: Sample,
    card: ModelCard,
    figures: Mapping[str, Any],
    training: Mapping[str, Any],
    profile: Mapping[str, Any] | None = None,
) -> None:
    """Write checkpoint.pt, metrics.json and profile.json; `figures` are what metrics.json holds for
    a person, `training` is the state in which training ended, `profile` is what pictures of the
    rows and their scores are made of, None where there is none."""
    buffer = io.BytesIO()
    torch.save(
        {
            "format_version": FORMAT_VERSION,
            "state_dict": plain_model(trained.layer()).state_dict(),
            "sample": _saved(sample),
            "card": card.to_json(),
            "standardized": {
                "0.weight": torch.from_numpy(trained.weight[None]),
                "0.bias": torch.tensor([trained.bias]),
                "mean": torch.from_numpy(trained.scaling.mean),
                "scale": torch.from_numpy(trained.scaling.scale),
                **_constants(trained.design),
            },
            "training": training,
        },
        buffer,
    )
    (folder / CHECKPOINT).write_bytes(buffer.getvalue())
    of = {"format_version": FORMAT_VERSION, "checkpoint": vars(FileEntry.of(buffer.getvalue()))}
    (folder / METRICS).write_text(seal({**of, **figures}, indent=1), encoding="utf-8")
    if profile is not None:
        (folder / PROFILE).write_text(seal({**of, **profile}), encoding="utf-8")


def read(folder: Path) -> Run:
    """The run in `folder`. Raises RunError unless it is whole, unaltered and of this version."""
    return read_replaced(folder, _read)


def read_metrics(folder: Path) -> dict[str, Any]:
    """What metrics.json holds. Raises RunError unless it is whole and unaltered."""
    return _unsealed(folder, METRICS, indent=1)


def read_profile(folder: Path) -> dict[str, Any] | None:
    """What profile.json holds; None where it has none, as
    runs from before there was one. Raises RunError unless it is
    whole and unaltered, and that of this run."""
    if not (folder / PROFILE).exists():
        return None
    found = _unsealed(folder, PROFILE)
    if found.get("checkpoint") != read_metrics(folder).get("checkpoint"):
        raise RunError(f"{folder / PROFILE} is that of another run: train again")
    return found


def _unsealed(folder: Path, name: str, indent: int | None = None) -> dict[str, Any]:
    return unseal(
        _bytes(folder, name).decode("utf-8", errors="replace"),
        what=str(folder / name),
        version=FORMAT_VERSION,
        error=RunError,
        remedy="train again",
        indent=indent,
    )


def _bytes(folder: Path, name: str) -> bytes:
    try:
        return read_bytes(folder / name)
    except ArtifactError as reason:
        raise RunError(
            f"{folder} is not a run: {reason}; make one with `python -m train`"
        ) from None


def _read(folder: Path) -> Run:
    path = folder / CHECKPOINT
    content, document = _bytes(folder, CHECKPOINT), read_metrics(folder)
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
        card = ModelCard.from_json(saved["card"], where=f"the card in {path}")
        parts = saved["standardized"]
        design = _design(card.columns, parts.get("imputed"), parts.get("center"))
        run = Run(
            {name: t.detach() for name, t in saved["state_dict"].items()},
            _sample(saved["sample"], design),
            card,
            _trained(design, parts),
        )
        _check(run, path)
    except RunError:
        raise
    except NOT_OURS as reason:
        what = f"it has no {reason}" if isinstance(reason, KeyError) else reason
        raise RunError(f"{path} is no checkpoint of this project: {what}") from None
    return run


def _check(run: Run, path: Path) -> None:
    """Raise RunError unless the parts of a run belong together."""
    layer, encoding = run.trained.layer(), run.trained.encoding()
    shapes = {str(name): tuple(tensor.shape) for name, tensor in run.state_dict.items()}
    if shapes != {"0.weight": (1, len(layer.weight)), "0.bias": (1,)}:
        raise RunError(
            f"{path}: the columns of its card make a layer of {len(layer.weight)} features, the "
            f"weights are {shapes}"
        )
    tensors = run.state_dict.values()
    if not all(t.dtype == torch.float32 and t.isfinite().all() for t in tensors):
        raise RunError(f"{path}: weights must be finite float32: train again")
    folded = torch.cat([t.flatten() for t in tensors]).numpy()
    if not np.array_equal(folded, layer.values):
        raise RunError(f"{path}: its weights are not those of its standardised model, folded")
    if run.card.weights_sha256 != sha256_of(run.trained.affine(), encoding):
        raise RunError(f"{path}: its card was made for other weights")
    if not len(run.sample):
        raise RunError(f"{path} holds no sample of rows: train again")


def _saved(sample: Sample) -> Any:
    """A sample as torch.save takes it."""
    if isinstance(sample, RawRows):
        return {"numbers": torch.from_numpy(sample.numbers), "texts": list(map(list, sample.texts))}
    return torch.from_numpy(sample)


def _sample(saved: Any, design: Design) -> Sample:
    """The sample that `_saved` made `saved` of. Raises ValueError unless it fits `design`."""
    if not design.is_numeric and not isinstance(saved, Mapping):
        raise ValueError("the sample of rows holds no texts")
    numbers = saved if design.is_numeric else saved["numbers"]
    require_plain(numbers)
    values: npt.NDArray[Any] = numbers.detach().numpy()
    if not design.is_numeric:
        rows = RawRows(values, tuple(map(tuple, saved["texts"])))
        design.require_rows(rows)
        return rows
    if values.ndim != 2 or values.shape[1] != design.width or values.dtype != np.float32:
        raise ValueError(
            f"the card names {design.width} features, and the sample of rows has shape "
            f"{values.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError("the sample of rows is not finite")
    return values


def _constants(design: Design | None) -> dict[str, torch.Tensor]:
    """What a design holds besides the card's columns; nothing where all are plain numbers."""
    if design is None or design.is_numeric:
        return {}
    return {"imputed": torch.from_numpy(design.imputed), "center": torch.from_numpy(design.center)}


def _trained(design: Design, parts: Mapping[str, torch.Tensor]) -> Trained:
    """The standardised model. Raises ValueError unless its parts are ones that training leaves for
    the columns of `design`."""
    weight, bias, mean, scale = (parts[name] for name in ("0.weight", "0.bias", "mean", "scale"))
    shapes = [tuple(tensor.shape) for tensor in (weight, bias, mean, scale)]
    required = [(1, design.width), (1,), (design.dense,), (design.dense,)]
    if shapes != required:
        raise ValueError(
            f"the parts of the standardised model have the shapes {shapes}, the columns of the "
            f"card make {required}"
        )
    finite = all(tensor.isfinite().all() for tensor in (weight, bias, mean))
    if not (finite and (scale > 0).all()):  # the scale of a constant feature is infinite
        raise ValueError("the standardised model holds values that no training leaves")
    scaling = Scaling(mean.numpy(), scale.numpy())
    return Trained(weight.detach().numpy()[0], float(bias.detach()[0]), scaling, design)


def _design(
    columns: tuple[Column, ...], imputed: torch.Tensor | None, center: torch.Tensor | None
) -> Design:
    """The columns with what training learned of them. Raises ValueError unless it fits them."""
    if imputed is None or center is None:
        if not is_numeric(columns):
            raise ValueError("it lacks what stands for missing numbers, or centres")
        return Design(columns, np.full(len(columns), np.nan), np.empty(0))
    found = Design(columns, imputed.numpy(), center.numpy())
    found.require_constants()
    return found
