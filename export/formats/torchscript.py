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

from export.formats.artifact import Artifact
from export.formats.torch_values import affine_of, tensors, torch_score
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import CARD_KEY, ModelCard
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.errors import ArtifactError

# Defined from text, not from a Python function: TorchScript records where its source stood, and
# an artifact must not carry the paths of the machine that wrote it.
_FORWARD = """
def forward(self, features: Tensor) -> Tuple[Tensor, Tensor]:
    logit = torch.addmm(self.bias, {multiplied}, self.weight.t())
    return logit, torch.sigmoid(logit)
"""


class _Parameters(nn.Module):
    # TorchScript writes a class's module into the archive: bundles keep their bytes when it moves.
    __module__ = "export.torchscript"

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        for name in names:
            setattr(self, name, nn.Parameter(torch.zeros(1), requires_grad=False))


@cache
def _templates() -> dict[bool, torch.jit.ScriptModule]:
    """Modules without and with a centre, compiled once a process and in one order.

    TorchScript names a class in the archive by how many were compiled before it.
    """
    templates: dict[bool, torch.jit.ScriptModule] = {}
    for center in (False, True):
        names = ("weight", "bias", "center") if center else ("weight", "bias")
        templates[center] = torch.jit.script(_Parameters(names).eval())
        multiplied = "features - self.center" if center else "features"
        templates[center].define(_FORWARD.format(multiplied=multiplied))
    return templates


@contextmanager
def _despite_deprecation() -> Iterator[None]:
    """torch 2.13 deprecates torch.jit in favour of torch.export, which writes model.pt2; programs
    that embed libtorch still load TorchScript."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r".*torch\.jit", DeprecationWarning)
        yield


def build(affine: Affine, card: ModelCard) -> bytes:
    """The archive for `affine`, with the card as an extra file."""
    values = tensors(affine)
    buffer = io.BytesIO()
    with _despite_deprecation():
        module = copy.deepcopy(_templates()["center" in values])
        for name, value in values.items():
            setattr(module, name, nn.Parameter(value, requires_grad=False))
        torch.jit.save(module, buffer, _extra_files={CARD_KEY: card.to_json()})
    return buffer.getvalue()


def load(path: Path) -> Artifact:
    """Open a TorchScript file of ours. Raises ArtifactError where torch cannot read it."""
    module, card = _read(path)
    try:
        affine = affine_of(dict(module.named_parameters()))
    except (RuntimeError, KeyError, IndexError) as reason:
        raise ArtifactError(f"{path} is no TorchScript file of this project: {reason}") from None
    return Artifact(path.name, card, affine, torch_score(module))


def check_code(path: Path, affine: Affine) -> None:
    """Raise ArtifactError unless the file's forward is, to the letter, the one `build` writes."""
    found, made = _read(path)[0].code, _templates()[affine.center is not None].code
    if found != made:
        raise ArtifactError(
            f"{path} holds other code than export writes: {found.strip()!r}, not {made.strip()!r}"
        )


def _read(path: Path) -> tuple[torch.jit.ScriptModule, str]:
    """The module and the text of its card."""
    content = read_bytes(path)
    extra: dict[str, str | bytes] = {CARD_KEY: ""}
    try:
        with _despite_deprecation():
            module = torch.jit.load(  # type: ignore[no-untyped-call]
                io.BytesIO(content), _extra_files=extra
            )
    except RuntimeError as reason:
        raise ArtifactError(f"{path} is no TorchScript file of this project: {reason}") from None
    card = extra[CARD_KEY]
    return module, card.decode() if isinstance(card, bytes) else card
