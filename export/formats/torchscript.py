"""The TorchScript artifact: features (n, d) -> logit, probability, both (n, 1).

Of a model that encodes its columns, encoded_program says what it takes; beside `forward` it has
`encode`, from texts to codes.
"""

import copy
import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import nn

from export.formats.artifact import Artifact
from export.formats.encoded_program import ENCODE, forward, levels
from export.formats.torch_values import (
    affine_of,
    encoded_score,
    encoding_of,
    opening,
    tensors,
    torch_score,
)
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import CARD_KEY, ModelCard
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.bundle.sealed_json import sha256
from serve_runtime.errors import ArtifactError
from serve_runtime.features.encoding import Encoding
from serve_runtime.features.raw_rows import RawRows
from serve_runtime.shown import quoted

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


class _Encoded(_Parameters):
    def __init__(self, names: tuple[str, ...]) -> None:
        super().__init__(names)
        self.levels = [{"": 0}]


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


@cache
def _encoded_template(forward: str, names: tuple[str, ...]) -> torch.jit.ScriptModule:
    """The compiled module with this text of `forward` and parameters of these names.

    It is a class of its own, called by a digest of both, so that the name in the archive does not
    depend on what else the process exported.
    """
    digest = sha256("\n".join((forward, *names)).encode()).hexdigest()[:12]
    kind = type("_Encoded", (_Encoded,), {"__module__": f"export.encoded_{digest}"})
    template: torch.jit.ScriptModule = torch.jit.script(kind(names).eval())
    template.define(forward)
    template.define(ENCODE)
    return template


def _template(affine: Affine, encoding: Encoding | None) -> torch.jit.ScriptModule:
    if encoding is None:
        return _templates()[affine.center is not None]
    return _encoded_template(forward(affine, encoding), tuple(tensors(affine, encoding)))


def build(affine: Affine, card: ModelCard, encoding: Encoding | None = None) -> bytes:
    """The archive for these values, with the card as an extra file."""
    values = tensors(affine, encoding)
    buffer = io.BytesIO()
    with _despite_deprecation():
        module: Any = copy.deepcopy(_template(affine, encoding))
        if encoding is not None:
            module.levels = levels(encoding)
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
        values = dict(module.named_parameters())
        affine = affine_of(values)
        card = extra[CARD_KEY]
        card = card.decode() if isinstance(card, bytes) else card
        encoding = encoding_of(values, card, str(path))
        if encoding is not None:
            score = encoded_score(module, encoding, _own_codes(module), str(path))
    return Artifact(
        path.name,
        card,
        affine,
        torch_score(module) if encoding is None else score,
        encoding,
        lambda: _require_own_code(path, module, affine, encoding),
    )


def _own_codes(module: Any) -> Callable[[RawRows], torch.Tensor]:
    encode = module.encode

    def codes(rows: RawRows) -> torch.Tensor:
        texts = [
            ["" if text is None else text for text in row] for row in zip(*rows.texts, strict=True)
        ]
        found: torch.Tensor = encode(texts)
        return found

    return codes


def _require_own_code(path: Path, module: Any, affine: Affine, encoding: Encoding | None) -> None:
    """Raise ArtifactError unless the code of the methods is, letter by letter, what `build` writes,
    and the texts that `encode` knows are those of the card."""
    with _despite_deprecation():
        template: Any = _template(affine, encoding)
    codes = [(module.code, template.code)]
    if encoding is not None:
        codes.append((module.encode.code, template.encode.code))
    for found, made in codes:
        if found != made:
            raise ArtifactError(
                f"{path} holds other code than export writes: {found.strip()!r}, not "
                f"{made.strip()!r}"
            )
    if encoding is None:
        return
    for column, known, made in zip(
        encoding.categories, module.levels, levels(encoding), strict=True
    ):
        if known != made:
            text = min(t for t in {*known, *made} if known.get(t) != made.get(t))
            raise ArtifactError(
                f"{path}: in {quoted(column.name)} the text {quoted(text)} has the code "
                f"{known.get(text)}, by its card it is {made.get(text)}"
            )
