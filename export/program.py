"""The torch.export artifact (.pt2): features (n, d) -> logit, probability, both (n, 1)."""

import io
import zipfile
from pathlib import Path

import torch
from torch import nn

from export.artifact import Artifact, torch_score
from serve_runtime.artifact import read_bytes
from serve_runtime.card import CARD_KEY, ModelCard
from serve_runtime.errors import ArtifactError

# Where a node came from: paths of this machine, which an artifact must not carry.
_PROVENANCE = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")


class _Scorer(nn.Module):
    def __init__(self, weight: torch.Tensor, bias: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.bias = nn.Parameter(bias, requires_grad=False)

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logit = nn.functional.linear(features, self.weight, self.bias)
        return logit, torch.sigmoid(logit)


def build(weight: torch.Tensor, bias: torch.Tensor, card: ModelCard) -> bytes:
    """The archive for `weight` (1, d) and `bias` (1,), with the card as an extra file."""
    # Two example rows: with one, torch.export takes the batch for a constant.
    example = torch.zeros(2, weight.shape[1])
    program = torch.export.export(
        _Scorer(weight, bias).eval(),
        (example,),
        dynamic_shapes={"features": {0: torch.export.Dim.DYNAMIC}},
    )
    for node in program.graph.nodes:
        for key in _PROVENANCE:
            node.meta.pop(key, None)
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={CARD_KEY: card.to_json()})
    return buffer.getvalue()


def load(path: Path) -> Artifact:
    """Open a .pt2 file of ours. Raises ArtifactError where torch cannot read it."""
    content, extra = read_bytes(path), {CARD_KEY: ""}
    try:
        program = torch.export.load(io.BytesIO(content), extra_files=extra)
        module = program.module()
        weight, bias = (program.state_dict[name].numpy() for name in ("weight", "bias"))
    except (RuntimeError, ValueError, KeyError, AssertionError, zipfile.BadZipFile) as reason:
        raise ArtifactError(f"{path} is no .pt2 file of this project: {reason}") from None
    return Artifact(path.name, extra[CARD_KEY], weight[0], bias, torch_score(module))
