"""How much memory there is, how much is used, and how people write it."""

import math
import os
import re
import sys
from pathlib import Path

_UNITS = {
    f"{prefix}{unit}": base**power
    for unit, base in (("B", 1000), ("iB", 1024))
    for power, prefix in enumerate(("", "K", "M", "G", "T"))
}


def parse(text: str) -> int | None:
    """Bytes that a text such as "8GB", "512 MiB" or "1e9" says; None where it says none."""
    found = re.fullmatch(r"\s*([0-9.]+(?:[eE][0-9]+)?)\s*([kKMGT]?i?B?)\s*", text)
    if not found:
        return None
    unit = found[2].upper().replace("I", "i")
    unit = unit if unit.endswith("B") else f"{unit}B"
    try:
        return int(float(found[1]) * _UNITS[unit]) or None
    except (ValueError, KeyError, OverflowError):
        return None


def show(size: float) -> str:
    """Bytes, for people."""
    power = min(4, max(0, int(math.log10(max(1, size))) // 3))
    return f"{size / 1000**power:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[power]}"


def limit() -> int:
    """The bytes that this process may use: the machine's, or those of its control group."""
    there = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        try:
            there = min(there, int(Path(path).read_text(encoding="ascii")))
        except (OSError, ValueError):  # not there, or "max"
            continue
    return there


def peak() -> int:
    """The most bytes that this process has had resident."""
    try:  # what getrusage tells of a child begins with what its parent had
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(re.findall(r"VmHWM:\s*(\d+) kB", status)[0]) * 1024
    except (OSError, IndexError):
        pass
    import resource

    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else size * 1024
