"""Which texts a LabelEncoder of ONNX knows, and the code that each stands for."""

from typing import Final

from serve_runtime.features.column import Column

_NO_TEXT: Final = "\0"
"""A text that is never a level, since a card refuses it, and that numpy and JavaScript cut."""


def code_by_key(column: Column) -> dict[str, int]:
    """The code of every text that a category knows, in the order of the file's keys.

    What a missing value becomes on its way to onnxruntime is among them. There a level wins: if
    "None" is one, None counts as that level, since nothing can tell it from the text. (The
    Predictor can.) If every such text is a level, the weight of missing values still has a key,
    which no text is.
    """
    codes, missing = column.code_by_text(), column.missing_code
    if missing not in codes.values():
        codes[_NO_TEXT] = missing
    return codes
