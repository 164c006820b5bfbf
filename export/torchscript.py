"""The TorchScript artifact: features (n, d) -> logit, probability, both (n, 1)."""

import copy
import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch
from torch import nn

from export.artifact import Artifact, torch_score
from serve_runtime.artifact import read_bytes
from serve_runtime.card import CARD_KEY, ModelCard
from serve_runtime.errors import ArtifactError

# Defined from text, not from a Python function: TorchScript records where its source stood, and
# an artifact must not carry the paths of the machine that wrote it.
_FORWARD = """
def forward(self, features: Tensor) -> Tuple[Tensor, Tensor]:
    logit = torch.addmm(self.bias, features, self.weight.t())
    return logit, torch.sigmoid(logit)
"""


class _Parameters(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, 1), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(1), requires_grad=False)


@cache
def _template() -> torch.jit.ScriptModule:
    """Compiled once a process: a second compilation would get another name inside the archive."""
    module = torch.jit.script(_Parameters().eval())
    module.define(_FORWARD)
    return module


@contextmanager
def _despite_deprecation() -> Iterator[None]:
    """torch 2.13 deprecates torch.jit in favour of torch.export, which writes model.pt2; programs
    that embed libtorch still load TorchScript."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
        yield


def build(weight: torch.Tensor, bias: torch.Tensor, card: ModelCard) -> bytes:
    """The archive for `weight` (1, d) and `bias` (1,), with the card as an extra file."""
    buffer = io.BytesIO()
    with _despite_deprecation():
        module = copy.deepcopy(_template())
        module.weight = nn.Parameter(weight, requires_grad=False)
        module.bias = nn.Parameter(bias, requires_grad=False)
        torch.jit.save(module, buffer, _extra_files={CARD_KEY: card.to_json()})
    return buffer.getvalue()


def load(path: Path) -> Artifact:
    """Open a TorchScript file of ours. Raises ArtifactError where torch cannot read it."""
    content = read_bytes(path)
    extra: dict[str, str | bytes] = {CARD_KEY: ""}
    try:
        with _despite_deprecation():
            module = torch.jit.load(  # type: ignore[no-untyped-call]
                io.BytesIO(content), _extra_files=extra
            )
        weight, bias = module.weight.numpy()[0], module.bias.numpy()
    except (RuntimeError, AttributeError) as reason:
        raise ArtifactError(f"{path} is no TorchScript file of this project: {reason}") from None
    card = extra[CARD_KEY]
    text = card.decode() if isinstance(card, bytes) else card
    return Artifact(path.name, text, weight, bias, torch_score(module))
