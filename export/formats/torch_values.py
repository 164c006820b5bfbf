"""The exported values as torch tensors, and torch modules as scorers."""

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch

from export.formats.artifact import Score, Scores
from serve_runtime.arrays import Float32
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.model_file import MODEL_BYTES
from serve_runtime.errors import ArtifactError, ServeError
from serve_runtime.features.column import NUMBER
from serve_runtime.features.curve import Curve
from serve_runtime.features.encoding import Encoding
from serve_runtime.features.raw_rows import RawRows
from train.persistence.archive import require_size


def tensors(affine: Affine, encoding: Encoding | None = None) -> dict[str, torch.Tensor]:
    """Copies of the values: weight (1, d), bias (1,) and, if there is one, center (d,); float32.

    Where columns are encoded, also fill (k,), gap (k,) if a gap adds to the offset, precise_center
    (p,) float64 if there are precise numbers, table_0, table_1, … of each category, and knots_0,
    value_0, slope_0, … of each bent number.
    """
    values = {"weight": torch.tensor(affine.weight[None]), "bias": torch.tensor([affine.bias])}
    if affine.center is not None:
        values["center"] = torch.tensor(affine.center)
    if encoding is not None:
        values["fill"] = torch.tensor(encoding.fill)
        if encoding.gap.any():
            values["gap"] = torch.tensor(encoding.gap)
        if len(encoding.center):
            values["precise_center"] = torch.tensor(encoding.center)
        values |= {f"table_{i}": torch.tensor(table) for i, table in enumerate(encoding.tables)}
        for i, curve in enumerate(encoding.curves):
            parts = {"knots": curve.knots, "value": curve.value, "slope": curve.slope}
            values |= {f"{name}_{i}": torch.tensor(part) for name, part in parts.items()}
    return values


@contextmanager
def opening(path: Path, content: bytes, kind: str) -> Iterator[None]:
    """Around what opens the archive `content` of the file `path`: ArtifactError for whatever fails.

    torch's readers raise what their parsers raise, of files that somebody else has made. An
    archive that is larger than any of ours once it is unpacked is refused before.
    """
    try:
        require_size(content, MODEL_BYTES)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # also torch.jit's deprecation (see torchscript.py)
            yield
    except ServeError:
        raise
    except Exception as reason:
        raise ArtifactError(f"{path} is no {kind} file of this project: {reason}") from None


def affine_of(values: Mapping[str, torch.Tensor]) -> Affine:
    """The model whose `tensors` these are. Raises KeyError or IndexError for other tensors."""
    center = values["center"].detach().numpy() if "center" in values else None
    return Affine(values["weight"].detach().numpy()[0], float(values["bias"][0]), center)


def encoding_of(values: Mapping[str, torch.Tensor], card: str, where: str) -> Encoding | None:
    """How the model whose `tensors` these are encodes the columns of its card; None where it does
    not. `where` names the file. Raises CardError for a card of no use, KeyError for other tensors.
    """
    if "fill" not in values:
        return None
    columns = ModelCard.from_json(card, where=f"the card in {where}").columns
    arrays = {name: tensor.detach().numpy() for name, tensor in values.items()}
    fill = arrays["fill"]
    tables, curves = (sum(n.startswith(part) for n in arrays) for part in ("table_", "knots_"))
    return Encoding(
        columns,
        fill,
        arrays.get("gap", np.zeros_like(fill)),
        arrays.get("precise_center", np.zeros(0)),
        tuple(arrays[f"table_{i}"] for i in range(tables)),
        tuple(
            Curve(*(arrays[f"{part}_{i}"] for part in ("knots", "value", "slope")))
            for i in range(curves)
        ),
    )


def torch_score(
    module: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    dtype: torch.dtype = torch.float32,
) -> Score:
    """Score with a torch module.

    It takes features (n, d) of type `dtype` and gives logit and probability, both (n, 1).
    """

    @torch.no_grad()
    def score(rows: Float32) -> Scores:
        writable = np.require(rows, requirements="W")  # torch warns about read-only arrays
        logit, probability = module(torch.from_numpy(writable).to(dtype))
        return logit.numpy().reshape(-1), probability.numpy().reshape(-1)

    return score


def encoded_score(
    module: Callable[..., tuple[torch.Tensor, torch.Tensor]],
    encoding: Encoding,
    codes: Callable[[RawRows], torch.Tensor],
    where: str,
) -> Score:
    """Score raw rows with a torch module that takes the inputs of `encoded_program`.

    `codes` gives the codes (n, c) int64 of rows; `where` names the file. The score raises
    ArtifactError where the module fails.
    """
    plain = sum(column.kind == NUMBER for column in encoding.columns)

    @torch.no_grad()
    def score(rows: RawRows) -> Scores:
        inputs = []
        if plain:
            with np.errstate(over="ignore"):
                inputs.append(torch.from_numpy(rows.numbers[:plain].T.astype(np.float32)))
        if len(encoding.center):
            inputs.append(torch.from_numpy(rows.numbers[plain:].T.copy()))
        try:
            if encoding.tables:
                inputs.append(codes(rows))
            logit, probability = module(*inputs)
        except (ValueError, IndexError, RuntimeError) as reason:
            last = str(reason).strip().splitlines()[-1]
            raise ArtifactError(f"{where} cannot score {len(rows)} rows: {last}") from None
        return logit.numpy().reshape(-1), probability.numpy().reshape(-1)

    return score
