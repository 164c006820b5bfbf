"""Renames that replace nothing, and renames by which two folders change places, in one step.

Linux has both in renameat2 (its manual page names the kernels and file systems), reached through
the C library. Other systems, and file systems such as NFS, have neither.
"""

import errno
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

# Of linux/fcntl.h and linux/fs.h.
_AT_FDCWD, _RENAME_NOREPLACE, _RENAME_EXCHANGE = -100, 1, 2

_UNSUPPORTED = (errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EPERM)
"""Errors where the kernel, the file system or a sandbox lacks renameat2; EPERM may also be a real
one, which an ordinary rename then meets too."""


def rename_new(source: Path, target: Path) -> None:
    """Rename `source` to `target`. Raises FileExistsError if there is anything at `target`.

    Without renameat2 that is looked up before the rename. A folder that is renamed in between can
    replace nothing but an empty folder.
    """
    if _renameat2(source, target, _RENAME_NOREPLACE):
        return
    if os.path.lexists(target):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(target))
    source.rename(target)


def exchange(one: Path, other: Path) -> bool:
    """Have two files or folders change places, so that there always is one at either path.

    Returns False, having done nothing, where that is not possible.
    """
    return _renameat2(one, other, _RENAME_EXCHANGE)


def _renameat2(source: Path, target: Path, flag: int) -> bool:
    """Call renameat2; False where there is none. Raises OSError."""
    call = _load()
    number = call(source, target, flag) if call else errno.ENOSYS
    if number and number not in _UNSUPPORTED:
        raise OSError(number, os.strerror(number), str(source), None, str(target))
    return not number


@cache
def _load() -> Callable[[Path, Path, int], int] | None:
    """renameat2 as a function that returns 0 or an errno; None where there is none."""
    if sys.platform != "linux":
        return None
    try:
        import ctypes

        function = ctypes.CDLL(None, use_errno=True).renameat2
    except (ImportError, OSError, AttributeError):  # glibc before 2.28, for example
        return None
    function.argtypes = (ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p,
                         ctypes.c_uint)  # fmt: skip

    def call(source: Path, target: Path, flag: int) -> int:
        names = os.fsencode(source), os.fsencode(target)
        failed = function(_AT_FDCWD, names[0], _AT_FDCWD, names[1], flag)
        return ctypes.get_errno() if failed else 0

    return call
