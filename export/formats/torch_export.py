"""The torch.export artifact (.pt2): features (n, d) -> logit, probability, both (n, 1)."""

import io
from pathlib import Path

import torch
from torch import nn

from export.formats.artifact import Artifact
from export.formats.torch_values import affine_of, opening, tensors, torch_score
from serve_runtime.bundle.affine import Affine
from serve_runtime.bundle.card import CARD_KEY, ModelCard
from serve_runtime.bundle.manifest import read_bytes
from serve_runtime.errors import ArtifactError

_SUBTRACTION = ("aten.sub.Tensor(features, p_center)",)
_CALLS = (
    "aten.linear.default({}, p_weight, p_bias)",
    "aten.sigmoid.default(linear,)",
    "output((linear, sigmoid),)",
)

# What a node of the graph knows of the source code that it came from. It is removed: it holds paths
# of this machine, which an artifact must not carry.
_PROVENANCE = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node")


class ExportedModule(nn.Module):
    """The module that torch.export traces: features (n, d) -> logit, probability, both (n, 1)."""

    weight: torch.Tensor
    bias: torch.Tensor
    center: torch.Tensor

    def __init__(self, values: dict[str, torch.Tensor]) -> None:
        super().__init__()
        for name, value in values.items():
            setattr(self, name, nn.Parameter(value, requires_grad=False))

    def forward(self, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logit and probability of each row."""
        if hasattr(self, "center"):
            features = features - self.center
        logit = nn.functional.linear(features, self.weight, self.bias)
        return logit, torch.sigmoid(logit)


def build(affine: Affine, card: ModelCard) -> bytes:
    """The archive for `affine`, with the card as an extra file."""
    # Two example rows: with one, torch.export takes the batch for a constant.
    example = torch.zeros(2, len(affine.weight))
    program = torch.export.export(
        ExportedModule(tensors(affine)).eval(),
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
    with opening(path, content, ".pt2"):
        program = torch.export.load(io.BytesIO(content), extra_files=extra)
        affine = affine_of(program.state_dict)
        module = program.module()
    return Artifact(
        path.name,
        extra[CARD_KEY],
        affine,
        torch_score(module),
        lambda: _require_own_graph(path, program, affine),
    )


def _require_own_graph(path: Path, program: torch.export.ExportedProgram, affine: Affine) -> None:
    """Raise ArtifactError unless the graph is, call by call, the one that `build` writes."""
    centered = affine.center is not None
    made = [*(_SUBTRACTION if centered else ()), *_CALLS]
    made = [call.format("sub" if centered else "features") for call in made]
    found = [
        f"{node.target}{node.args}{node.kwargs or ''}"
        for node in program.graph.nodes
        if node.op != "placeholder"
    ]
    inputs = program.graph_signature.inputs_to_parameters
    if found != made or inputs != {f"p_{name}": name for name in tensors(affine)}:
        raise ArtifactError(
            f"{path} holds another graph than export writes: {'; '.join(found)} with {inputs}, not "
            f"{'; '.join(made)}"
        )
