"""How much memory training may take, how much it has taken, and how people write sizes."""

import math
import re
import sys
from pathlib import Path

from serve_runtime import container_limits
from train.errors import TrainError

_UNITS = {
    f"{prefix}{unit}": base**power
    for unit, base in (("B", 1000), ("iB", 1024))
    for power, prefix in enumerate(("", "K", "M", "G", "T"))
}


def parse_size(text: str) -> int | None:
    """The number of bytes in a text such as "8GB", "512 MiB" or "1e9"; None if it is no size."""
    found = re.fullmatch(r"\s*([0-9.]+(?:[eE][0-9]+)?)\s*([kKMGT]?i?B?)\s*", text)
    if not found:
        return None
    unit = found[2].upper().replace("I", "i")
    unit = unit if unit.endswith("B") else f"{unit}B"
    try:
        return int(float(found[1]) * _UNITS[unit]) or None
    except (ValueError, KeyError, OverflowError):
        return None


def format_size(size: float) -> str:
    """A number of bytes as text with three digits and a unit: format_size(8e9) is "8 GB"."""
    power = min(4, max(0, int(math.log10(max(1, size))) // 3))
    return f"{size / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def budget(memory: str | None) -> int:
    """Bytes that training may take: what a recipe's `data.memory` says, else half of what this
    process may use (a container's limit counts)."""
    allowed = parse_size(memory) if memory is not None else container_limits.available_memory() // 2
    assert allowed is not None  # the recipe has been checked
    return allowed


def require(least: int, allowed: int, told: str | None, what: str) -> None:
    """Raise TrainError where `least` bytes, which `what` needs, are more than are `allowed`, by the
    recipe's `data.memory` if it has `told` them."""
    if least > allowed:
        raise TrainError(
            f"{format_size(allowed)} of memory (data.memory = {told!r}) are too little: {what} "
            f"need {format_size(least)}"
        )


def peak() -> int:
    """The most bytes of memory that this process has had resident so far."""
    try:  # getrusage would start a child at its parent's peak
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) * 1024
    except (OSError, IndexError):
        pass
    import resource

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024
