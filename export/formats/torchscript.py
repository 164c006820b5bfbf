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
from export.formats.torch_values import affine_of, opening, tensors, torch_score
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import CARD_KEY, ModelCard
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.errors import ArtifactError

# Compiled from text: of a Python function, TorchScript would record the path of its source file,
# and an artifact must not carry paths of the machine that wrote it.
_FORWARD = """
def forward(self, features: Tensor) -> Tuple[Tensor, Tensor]:
    logit = torch.addmm(self.bias, {multiplied}, self.weight.t())
    return logit, torch.sigmoid(logit)
"""


class _Parameters(nn.Module):
    # TorchScript writes the name of this module into the archive. It stays the one that the first
    # bundles had, so that bundles keep their bytes although the module has moved.
    __module__ = "export.torchscript"

    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__()
        for name in names:
            setattr(self, name, nn.Parameter(torch.zeros(1), requires_grad=False))


@cache
def _templates() -> dict[bool, torch.jit.ScriptModule]:
    """Compiled modules by whether they subtract a centre.

    Both are compiled at once, the one without a centre first: TorchScript numbers the classes in
    an archive by the order of their compilation, and an archive must not depend on what the process
    exported before it.
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
    """Silence torch 2.13's deprecation of torch.jit.

    Its successor torch.export writes model.pt2; programs that embed libtorch still load
    TorchScript, so that it is written too.
    """
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
    content = read_bytes(path)
    extra: dict[str, str | bytes] = {CARD_KEY: ""}
    with opening(path, content, "TorchScript"):
        module = torch.jit.load(  # type: ignore[no-untyped-call]
            io.BytesIO(content), _extra_files=extra
        )
        affine = affine_of(dict(module.named_parameters()))
        card = extra[CARD_KEY]
        card = card.decode() if isinstance(card, bytes) else card
    centered = affine.center is not None
    return Artifact(
        path.name,
        card,
        affine,
        torch_score(module),
        lambda: _require_own_code(path, module, centered),
    )


def _require_own_code(path: Path, module: torch.jit.ScriptModule, centered: bool) -> None:
    """Raise ArtifactError unless the code of forward is, letter by letter, what `build` writes."""
    found, made = module.code, _templates()[centered].code
    if found != made:
        raise ArtifactError(
            f"{path} holds other code than export writes: {found.strip()!r}, not {made.strip()!r}"
        )
