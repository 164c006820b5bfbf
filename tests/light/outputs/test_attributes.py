import os
import stat
import struct
from pathlib import Path

import pytest

from serve_runtime.outputs.attributes import keep_attributes

ACL = "system.posix_acl_access"


def access_list(*entries):
    """The bytes of a list as Linux keeps it, of (tag, permissions, user or group)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@pytest.fixture
def two(tmp_path):
    for name in ("old", "new"):
        (tmp_path / name).touch(0o600)
    return tmp_path / "old", tmp_path / "new"


@pytest.fixture
def owned(monkeypatch, two):
    """`owned(mode, user, group, permitted)`: the old file is theirs; the owners that are asked for.

    `permitted` are the changes that the system lets us make: "user", "group".
    """
    owners, real = {}, Path.stat

    def arm(mode, permitted):
        asked = []

        def stat_(self, **options):
            found = list(real(self, **options))[:10]
            found[4:6] = owners.get(self, (1, 1))
            return os.stat_result(found)

        def chown(path, user, group):
            asked.append((user, group))
            if (user != -1 and "user" not in permitted) or "group" not in permitted:
                raise PermissionError
            owners[path] = (1 if user == -1 else user, group)

        two[0].chmod(mode)
        owners[two[0]] = (2001, 3001)
        monkeypatch.setattr(Path, "stat", stat_)
        monkeypatch.setattr(os, "chown", chown)
        keep_attributes(*two)
        return asked, owners.get(two[1], (1, 1)), stat.S_IMODE(two[1].lstat().st_mode)

    return arm


@pytest.mark.parametrize(
    ("permitted", "owner", "mode"),
    [
        ({"user", "group"}, (2001, 3001), 0o6764),
        ({"group"}, (1, 3001), 0o2764),
        (set(), (1, 1), 0o744),
    ],
)
def test_owner_and_group_are_kept_where_permitted(owned, permitted, owner, mode):
    asked, found, got = owned(0o6764, permitted)
    assert asked[0] == (2001, 3001)
    assert (found, oct(got)) == (owner, oct(mode))


def test_a_file_of_our_own_keeps_its_mode(two):
    two[0].chmod(0o664)
    keep_attributes(*two)
    assert stat.S_IMODE(two[1].stat().st_mode) == 0o664
    keep_attributes(*two, more=0o100)
    assert stat.S_IMODE(two[1].stat().st_mode) == 0o764


@pytest.mark.skipif(not hasattr(os, "setxattr"), reason="the lists are those of Linux")
def test_an_access_control_list_is_kept(two, tmp_path):
    entries = ((1, 6, 0xFFFFFFFF), (2, 4, 1234), (4, 0, 0xFFFFFFFF), (16, 4, 0xFFFFFFFF),
               (32, 0, 0xFFFFFFFF))  # fmt: skip
    try:
        os.setxattr(two[0], ACL, access_list(*entries))
    except OSError:
        pytest.skip(f"the file system of {tmp_path} has no access control lists")
    keep_attributes(*two)
    assert os.getxattr(two[1], ACL) == access_list(*entries)
    os.removexattr(two[0], ACL)
    two[0].chmod(0o640)
    keep_attributes(*two)
    assert ACL not in os.listxattr(two[1])
    assert stat.S_IMODE(two[1].stat().st_mode) == 0o640
