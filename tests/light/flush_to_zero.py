"""Threads that flush subnormals to zero, as programs with -ffast-math and audio engines do."""

import ctypes
import ctypes.util
import platform
from contextlib import contextmanager

# glibc's fenv_t in 32-bit words: which one holds the mode, and its bits (FTZ and DAZ; FZ on ARM).
_MODE = {"x86_64": (7, 0x8040), "aarch64": (0, 1 << 24)}


@contextmanager
def flushing():
    """Flush to zero in this thread within the block; nothing where we know no way to."""
    name = ctypes.util.find_library("m")
    if name is None or platform.machine() not in _MODE or platform.system() != "Linux":
        yield
        return
    libm, (word, bits) = ctypes.CDLL(name), _MODE[platform.machine()]
    before, within = (ctypes.c_uint32 * 8)(), (ctypes.c_uint32 * 8)()
    libm.fegetenv(before)
    libm.fegetenv(within)
    within[word] |= bits
    libm.fesetenv(within)
    try:
        yield
    finally:
        libm.fesetenv(before)
