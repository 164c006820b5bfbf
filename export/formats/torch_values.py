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
from serve_runtime.bundle.model_file import MODEL_BYTES
from serve_runtime.errors import ArtifactError, ServeError
from train.archive import require_size


def tensors(affine: Affine) -> dict[str, torch.Tensor]:
    """Copies of the values: weight (1, d), bias (1,) and, if there is one, center (d,); float32."""
    values = {"weight": torch.tensor(affine.weight[None]), "bias": torch.tensor([affine.bias])}
    if affine.center is not None:
        values["center"] = torch.tensor(affine.center)
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
