"""The program of the torch files of a model that encodes its columns, as text.

TorchScript compiles the text, and torch.export traces it, so that both compute the same. It takes
    numbers float32 [batch, number columns], NaN where missing,
    precise float64 [batch, precise columns], NaN where missing,
    codes int64 [batch, categories]: 0 is an unknown level, 1 the first one (see Column),
each only where the model has such columns, and gives logit and probability, both [batch, 1]. A code
that its category does not have is an error: index_select refuses it, also a negative one.

A bent number (see features.curve) is in the segment that bucketize finds: right=True means
knots[j - 1] <= x < knots[j].
"""

from typing import Final

import numpy as np

from serve_runtime.bundle.affine import Affine
from serve_runtime.features.column import NUMBER
from serve_runtime.features.encoding import Encoding

ENCODE: Final = """
def encode(self, texts: List[List[str]]) -> Tensor:
    codes = torch.zeros([len(texts), len(self.levels)], dtype=torch.int64)
    for i, row in enumerate(texts):
        if len(row) != len(self.levels):
            raise ValueError(
                "row {} has {} texts; required is one for each of the {} categories".format(
                    i, len(row), len(self.levels)
                )
            )
        for j, text in enumerate(row):
            if text in self.levels[j]:
                codes[i, j] = self.levels[j][text]
    return codes
"""
"""Rows of texts, one for each category, to their codes (n, c): what TorchScript carries besides.
"" is a missing value; `self.levels` is `levels(encoding)`."""


_CURVE: Final = (
    "bent = x[:, {number}].contiguous()",
    "segment = torch.bucketize(bent, self.knots_{i}, right=True)",
    "bent = bent - self.knots_{i}.index_select(0, (segment - 1).clamp(min=0))",
    "bent = bent * self.slope_{i}.index_select(0, segment)",
    "offset = offset + (self.value_{i}.index_select(0, segment) + bent)",
)
"""What curve `i`, that of a number, adds to the offset: three roundings and that of the offset."""


def levels(encoding: Encoding) -> list[dict[str, int]]:
    """Of each category the code of each text that is no unknown level."""
    return [column.code_by_text() for column in encoding.categories]


def inputs(encoding: Encoding) -> list[str]:
    """The names of the inputs, in order."""
    present = {
        "numbers": any(column.kind == NUMBER for column in encoding.columns),
        "precise": len(encoding.center) > 0,
        "codes": len(encoding.tables) > 0,
    }
    return [name for name, there in present.items() if there]


def forward(affine: Affine, encoding: Encoding) -> str:
    """The text of the method; it depends on how many columns of each kind there are, on whether a
    centre is subtracted, on where a gap adds to the offset, and on which numbers are bent."""
    taken, numbers = inputs(encoding), len(encoding.fill) > 0
    lines = []
    if "precise" in taken:
        lines.append("x = (precise - self.precise_center).to(torch.float32)")
        if "numbers" in taken:
            lines.append("x = torch.cat([numbers, x], 1)")
    elif numbers:
        lines.append("x = numbers")
    lines.append(f"offset = self.bias.expand({'x' if numbers else 'codes'}.shape[0])")
    for group in encoding.groups:
        weights = [f"self.table_{i}.index_select(0, codes[:, {i}])" for i in group]
        lines.append(f"offset = offset + ({' + '.join(weights)})")
    lines += [
        f"offset = torch.where(torch.isnan(x[:, {i}]), offset + self.gap[{i}], offset)"
        for i in np.flatnonzero(encoding.gap).tolist()
    ]
    logit = "offset.unsqueeze(1)"
    if numbers:
        lines.append("x = torch.where(torch.isnan(x), self.fill, x)")
        for i, number in enumerate(encoding.bent):
            lines += [line.format(i=i, number=number) for line in _CURVE]
        if affine.center is not None:
            lines.append("x = x - self.center")
        logit = f"torch.addmm({logit}, x, self.weight.t())"
    lines += [f"logit = {logit}", "return logit, torch.sigmoid(logit)"]
    arguments = ", ".join(f"{name}: Tensor" for name in taken)
    head = f"\ndef forward(self, {arguments}) -> Tuple[Tensor, Tensor]:\n"
    return head + "".join(f"    {line}\n" for line in lines)
