"""Archives that torch.save wrote, opened whoever made them: a message, never a surprise."""

import io
import warnings
import zipfile
from typing import Any

import torch


def load_archive(content: bytes) -> Any:
    """What torch.save wrote: tensors, on the CPU, in containers of theirs, texts and numbers.

    Raises ValueError for anything else. An archive that is compressed, which torch.save's is not,
    may be a thousand times as large in memory, and is refused.
    """
    require_size(content, len(content))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tensors of kinds that are refused later
            return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as reason:  # whatever its parsers raise
        raise ValueError(_first_line(reason)) from None


def require_size(content: bytes, most: int) -> None:
    """Raise ValueError unless `content` is a zip archive whose files have `most` bytes in all."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            size = sum(max(0, entry.file_size) for entry in archive.infolist())
    except Exception as reason:  # zipfile raises more than it says
        raise ValueError(f"it is no zip archive ({_first_line(reason)})") from None
    if size > most:
        raise ValueError(f"its files have {size:,} bytes, more than the {most:,} that are allowed")


def require_plain(tensor: Any) -> None:
    """Raise ValueError unless `tensor` is one whose values all lie in memory, one after another.

    Others may be as large as they like, and take the memory when they are used.
    """
    if not (
        isinstance(tensor, torch.Tensor)
        and tensor.layout is torch.strided
        and tensor.is_cpu
        and not tensor.is_quantized
        and tensor.is_contiguous()
    ):
        raise ValueError("it holds something else in the place of a plain tensor")


def _first_line(reason: Exception) -> str:
    return (str(reason).splitlines() or [type(reason).__name__])[0]
