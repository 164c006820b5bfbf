"""Every artifact format of a bundle."""

from collections.abc import Callable, Mapping
from pathlib import Path

from export.certificate import PROGRAM, TORCHSCRIPT
from export.formats import onnx_model, torch_export, torchscript
from export.formats.artifact import Artifact
from serve_runtime.bundle.model_file import MODEL_FILES

_LOAD: Mapping[str, Callable[[Path], Artifact]] = {
    **dict.fromkeys(MODEL_FILES.values(), onnx_model.load),
    TORCHSCRIPT: torchscript.load,
    PROGRAM: torch_export.load,
}
