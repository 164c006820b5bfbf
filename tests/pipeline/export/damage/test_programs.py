"""Torch programs that hold the right values and compute something else: only their scores can tell.

Every digest, the certificate and the manifest are re-made to match.
"""

import io
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from export.errors import ParityError
from export.formats import torch_export
from export.formats.torch_values import tensors
from export.verify import verify_bundle
from pipeline.export.bundle_files import affine_of, card_of, recertify
from serve_runtime import ArtifactError
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import CARD_KEY, ModelCard

FORWARDS = {
    "drops the sigmoid's tail": "z, torch.where(z < -18, z * 0, torch.sigmoid(z))",
    "clips logits at 80": "z.clamp(-80, 80), torch.sigmoid(z.clamp(-80, 80))",
    "clips the sigmoid's logits at 16": "z, torch.sigmoid(z.clamp(-16, 16))",
    "takes NaN for 0": "z.nan_to_num(0.0), torch.sigmoid(z.nan_to_num(0.0))",
    "computes in float16": "z.half().float(), torch.sigmoid(z.half().float())",
    "looks at its neighbours": "z + 0 * z.mean(), torch.sigmoid(z + 0 * z.mean())",
    "gives P(negative)": "z, torch.sigmoid(-z)",
    "gives a probability for a logit": "torch.sigmoid(z), torch.sigmoid(z)",
    "gives one logit for all": "z[:1], torch.sigmoid(z[:1])",
    "gives int64": "z.long(), torch.sigmoid(z)",
}
EXPECTED = {
    "drops the sigmoid's tail": r"\w.*: logit .* off the sigmoid of its logit by \S+ ULP",
    "clips logits at 80": r"random rows far outside|largest values|logit sweep.*: logit -?80.0",
    "clips the sigmoid's logits at 16": r".* off the sigmoid of its logit by \S+ ULP",
    "takes NaN for 0": r"(largest values|NaN and inf), row \d+: logit 0.0, exact nan",
    "computes in float16": "sampled rows, row 0: logit",
    "looks at its neighbours": r"(largest values|NaN and inf), row \d+: logit nan",
    "gives P(negative)": "sampled rows, row 0: .* off the sigmoid of its logit by",
    "gives a probability for a logit": "sampled rows, row 0: logit 0",
    "gives one logit for all": r"sampled rows: 256 rows gave logit with shape \(1,\), float32",
    "gives int64": r"sampled rows: 256 rows gave logit with shape \(256,\), int64",
}


def _script(affine: Affine, card: ModelCard, forward: str) -> bytes:
    class Parameters(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name, value in tensors(affine).items():
                setattr(self, name, torch.nn.Parameter(value, requires_grad=False))

    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # torch.jit, see export.formats.torchscript
        module = torch.jit.script(Parameters().eval())
        module.define(
            "def forward(self, features: Tensor) -> Tuple[Tensor, Tensor]:\n"
            "    logit = torch.addmm(self.bias, features, self.weight.t())\n"
            f"    return {_named(forward)}\n"
        )
        torch.jit.save(module, buffer, _extra_files={CARD_KEY: card.to_json()})
    return buffer.getvalue()


def _named(forward: str) -> str:
    """As export names the logit, so that the sound program is the same to the letter."""
    return re.sub(r"\bz\b", "logit", forward)


def _program(affine: Affine, card: ModelCard, forward: str) -> bytes:
    scope: dict[str, Any] = {"torch": torch}
    exec(
        "def forward(self, features):\n"
        "    z = torch.nn.functional.linear(features, self.weight, self.bias)\n"
        f"    return {forward}",
        scope,
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch_export.ExportedModule, "forward", scope["forward"])
        return torch_export.build(affine, card)


each_program = pytest.mark.parametrize(
    ("name", "build"),
    [("model.torchscript.pt", _script), ("model.pt2", _program)],
    ids=["TorchScript", "pt2"],
)


@each_program
def test_a_sound_program_built_here_is_accepted(
    bundle: Path, name: str, build: Callable[[Affine, ModelCard, str], bytes]
) -> None:
    """The undamaged counterpart of the tests below."""
    (bundle / name).write_bytes(build(affine_of(bundle), card_of(bundle), "z, torch.sigmoid(z)"))
    recertify(bundle)
    verify_bundle(bundle)


@pytest.mark.parametrize("what", FORWARDS)
@each_program
def test_scores_notice_another_program(
    bundle: Path, name: str, build: Callable[[Affine, ModelCard, str], bytes], what: str
) -> None:
    (bundle / name).write_bytes(build(affine_of(bundle), card_of(bundle), FORWARDS[what]))
    recertify(bundle)
    with pytest.raises(ParityError, match=rf"^{name}, ({EXPECTED[what]})"):
        verify_bundle(bundle)


ONE_ROW = (
    "z + 7.0 * (features[:, :1] == 123.0), torch.sigmoid(z + 7.0 * (features[:, :1] == 123.0))"
)
"""Wrong for rows that no proof has."""


@pytest.mark.parametrize(
    ("name", "build", "message"),
    [
        ("model.torchscript.pt", _script, "holds other code than export writes: .*123"),
        ("model.pt2", _program, r"holds another graph than export writes: aten\.linear.*123"),
    ],
    ids=["TorchScript", "pt2"],
)
def test_a_program_is_refused_though_no_row_shows_its_fault(
    bundle: Path, name: str, build: Callable[[Affine, ModelCard, str], bytes], message: str
) -> None:
    (bundle / name).write_bytes(build(affine_of(bundle), card_of(bundle), ONE_ROW))
    recertify(bundle)
    with pytest.raises(ArtifactError, match=rf"(?s){name} {message}"):
        verify_bundle(bundle)


def test_scores_notice_a_torchscript_that_depends_on_its_batch(bundle: Path) -> None:
    by_one = "z + (1.0 if z.shape[0] == 17 else 0.0)"
    content = _script(affine_of(bundle), card_of(bundle), f"{by_one}, torch.sigmoid({by_one})")
    (bundle / "model.torchscript.pt").write_bytes(content)
    recertify(bundle)
    with pytest.raises(ParityError, match=r"^model\.torchscript\.pt, batch of 17, row 0: logit"):
        verify_bundle(bundle)


@each_program
def test_a_torch_program_that_answers_float64_is_refused(
    bundle: Path, name: str, build: Callable[[Affine, ModelCard, str], bytes]
) -> None:
    """The contract is float32, and only a reference may have more."""
    forward = "z.double(), torch.sigmoid(z).double()"
    (bundle / name).write_bytes(build(affine_of(bundle), card_of(bundle), forward))
    recertify(bundle)
    with pytest.raises(ParityError, match=rf"^{name}, sampled rows: .* float64"):
        verify_bundle(bundle)
