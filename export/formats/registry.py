"""The list of artifact formats; everything that export does with all files of a bundle reads it.

To add a format, write a module that defines `build` and `load` as artifact.FormatCode says, and add
a line to FORMATS. Importing this module imports neither torch nor onnx: a machine that only serves
has neither, and `python -m export.runtimes.prove_here` runs there.
"""

from typing import Final

from export.formats.artifact import ArtifactFormat
from serve_runtime.arrays import COLUMNS, ROWS
from serve_runtime.bundle.model_file import MODEL_FILES

_ONNX = "export.formats.onnx_model"

ONNX_ROWS: Final = ArtifactFormat(MODEL_FILES[ROWS], f"{_ONNX}:rows_file", ROWS)
ONNX_COLUMNS: Final = ArtifactFormat(MODEL_FILES[COLUMNS], f"{_ONNX}:columns_file", COLUMNS)
TORCHSCRIPT: Final = ArtifactFormat("model.torchscript.pt", "export.formats.torchscript")
TORCH_EXPORT: Final = ArtifactFormat("model.pt2", "export.formats.torch_export")

FORMATS: Final = (ONNX_ROWS, ONNX_COLUMNS, TORCHSCRIPT, TORCH_EXPORT)
"""In the order in which they are written, opened and compared: an ONNX file comes first, since all
other files are compared with it."""

ARTIFACT_NAMES: Final = tuple(format_.file_name for format_ in FORMATS)
"""The files of a bundle beside MANIFEST.json and parity.json."""
