"""Who owns a file and who may read it, passed on to the file that takes its place."""

import os
import stat
from contextlib import suppress
from pathlib import Path

_ACL = "system.posix_acl_access"
"""The extended attribute in which Linux keeps an access control list (setfacl)."""


def keep_attributes(old: Path, new: Path, *, more: int = 0) -> None:
    """Give `new` the mode, owner, group and access control list of `old`, as far as permitted.

    `more` are bits that are set in the mode besides. An owner is kept by root only, a group by its
    members. Where the group is not kept, the group that `new` has gets no more rights than
    everybody. Raises OSError.
    """
    wanted = old.stat()
    mode = stat.S_IMODE(wanted.st_mode)
    if hasattr(os, "chown"):
        for owner in ((wanted.st_uid, wanted.st_gid), (-1, wanted.st_gid)):
            with suppress(PermissionError):
                os.chown(new, *owner)
                break
        found = new.stat()
        if found.st_uid != wanted.st_uid:
            mode &= ~stat.S_ISUID
        if found.st_gid != wanted.st_gid:
            mode = mode & ~(stat.S_ISGID | stat.S_IRWXG) | (mode & stat.S_IRWXO) << 3
        elif hasattr(os, "setxattr"):
            _keep_access_list(old, new)
    new.chmod(mode | more)


def keep_attributes_of_tree(old: Path, new: Path) -> None:
    """Give the folder `new`, and what is in it, the attributes of what the folder `old` has under
    the same names."""
    keep_attributes(old, new)
    for path in new.rglob("*"):
        same = old / path.relative_to(new)
        if not same.is_symlink() and same.exists() and same.is_dir() == path.is_dir():
            keep_attributes(same, path)


def _keep_access_list(old: Path, new: Path) -> None:
    """Copy the access control list; a list that `new` has from its folder is removed."""
    with suppress(OSError):  # there is none, or the file system has no such lists
        os.removexattr(new, _ACL)
    with suppress(OSError):
        os.setxattr(new, _ACL, os.getxattr(old, _ACL))
