import math
import os
import re
import string
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serve_runtime import container_limits

V1 = "34 31 0:29 {top} {point} rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n"
V2 = "41 31 0:38 {top} {point} rw,nosuid shared:9 - cgroup2 cgroup rw,nsdelegate\n"
OTHER = (
    "23 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "35 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset\n"
    "36 31 0:32 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,xattr,name=systemd\n"
)
UNIFIED, CPU = "/sys/fs/cgroup", "/sys/fs/cgroup/cpu,cpuacct"


GIB = 1 << 30


def v2(limit):
    """The files of version 2 that allow `limit` processors and GiB; None where they allow all."""
    cpu, memory = ("max", "max") if limit is None else (round(limit * 100000), round(limit * GIB))
    return {"cpu.max": f"{cpu} 100000\n", "memory.max": f"{memory}\n"}


def v1(limit):
    """The files of version 1; None where they allow all."""
    none = 2**63 - 4096
    cpu, memory = (-1, none) if limit is None else (round(limit * 50000), round(limit * GIB))
    return {
        "cpu.cfs_quota_us": f"{cpu}\n",
        "cpu.cfs_period_us": "50000\n",
        "memory.limit_in_bytes": f"{memory}\n",
    }


def of_memory(text):
    """The same tree with the names of the two controllers exchanged."""
    swapped = {"cpu,cpuacct": "memory", "memory": "cpu,cpuacct"}
    return re.sub("cpu,cpuacct|memory", lambda name: swapped[name[0]], text)


@pytest.fixture
def tree(tmp_path):
    """Write /proc/self/cgroup, /proc/self/mountinfo and groups' files; return the root."""

    def write(cgroup, mounts, groups):
        files = {"/proc/self": {"cgroup": cgroup, "mountinfo": OTHER + mounts}, **groups}
        for folder, contents in files.items():
            (tmp_path / folder.strip("/")).mkdir(parents=True, exist_ok=True)
            for name, text in contents.items():
                (tmp_path / folder.strip("/") / name).write_bytes(
                    text.encode(errors="surrogateescape")
                )
        return str(tmp_path)

    return write


def unified(top="/", point=UNIFIED):
    return V2.format(top=top, point=point)


def cpu(top="/", point=CPU):
    return V1.format(top=top, point=point)


CASES = {
    "no quota in version 2": ("0::/a\n", unified(), {f"{UNIFIED}/a": v2(None)}, math.inf),
    "no quota in version 1": ("3:cpu,cpuacct:/a\n", cpu(), {f"{CPU}/a": v1(None)}, math.inf),
    "version 2": ("0::/a/b\n", unified(), {f"{UNIFIED}/a/b": v2(2.5)}, 2.5),
    "version 1": ("4:memory:/x\n3:cpu,cpuacct:/a\n", cpu(), {f"{CPU}/a": v1(1.5)}, 1.5),
    "the root of a namespace": ("0::/\n", unified(), {UNIFIED: v2(3)}, 3),
    "an ancestor with less": (
        "0::/a/b/c\n",
        unified(),
        {f"{UNIFIED}/a": v2(2), f"{UNIFIED}/a/b": v2(None), f"{UNIFIED}/a/b/c": v2(4)},
        2,
    ),
    "the top of the mount with less": (
        "3:cpu,cpuacct:/a\n",
        cpu(),
        {CPU: v1(1), f"{CPU}/a": v1(4)},
        1,
    ),
    "a sibling or a child with less": (
        "0::/a\n",
        unified(),
        {f"{UNIFIED}/a": v2(4), f"{UNIFIED}/ab": v2(1), f"{UNIFIED}/a/b": v2(1)},
        4,
    ),
    "a container of version 1, which mounts its own group": (
        "3:cpu,cpuacct:/docker/0123\n",
        cpu(top="/docker/0123"),
        {CPU: v1(2)},
        2,
    ),
    "a container in a container": (
        "3:cpu,cpuacct:/docker/0123/docker/4567/work\n",
        cpu(top="/docker/0123/docker/4567"),
        {CPU: v1(3), f"{CPU}/work": v1(2)},
        2,
    ),
    "a mount from above the namespace": ("0::/\n", unified(top="/../.."), {UNIFIED: v2(2)}, 2),
    "group and mount from above the namespace": (
        "0::/../a/b\n",
        unified(top="/../a"),
        {UNIFIED: v2(5), f"{UNIFIED}/b": v2(2)},
        2,
    ),
    "a process from another namespace": (
        "0::/../other\n",
        unified(),
        {UNIFIED: v2(2), "/sys/fs/other": v2(1)},
        2,
    ),
    "a group that is not where its path says": (
        "3:cpu,cpuacct:/kubepods/pod7/0123\n",
        cpu(),
        {CPU: v1(2)},
        2,
    ),
    "a mount of another group beside its own": (
        "0::/a\n",
        unified(top="/b", point="/mnt/b") + unified(),
        {"/mnt/b": v2(1), f"{UNIFIED}/a": v2(2)},
        2,
    ),
    "a mount of a group whose name begins alike": (
        "0::/ab\n",
        unified(top="/a", point="/mnt/a") + unified(),
        {"/mnt/a": v2(1), "/mnt/ab": v2(1), "/mnt/a/b": v2(1), f"{UNIFIED}/ab": v2(2)},
        2,
    ),
    "both versions, the processor in the first": (
        "3:cpu,cpuacct:/a\n1:name=systemd:/s\n0::/s\n",
        cpu() + unified(point="/sys/fs/cgroup/unified"),
        {f"{CPU}/a": v1(2), "/sys/fs/cgroup/unified/s": {"cgroup.procs": "1\n"}},
        2,
    ),
    "both versions, the processor in the second": (
        "3:memory:/a\n0::/s\n",
        unified(point="/sys/fs/cgroup/unified"),
        {"/sys/fs/cgroup/unified/s": v2(2)},
        2,
    ),
    "a mount point with a space and a name with a backslash": (
        "0::/my\\x2dapp.slice/a\n",
        unified(top="/my\\134x2dapp.slice", point="/sys/fs/my\\040groups"),
        {"/sys/fs/my groups/a": v2(2)},
        2,
    ),
    "a group of version 1 of which nothing is mounted but its neighbour": (
        "3:cpu,cpuacct:/a\n",
        cpu(top="/b"),
        {CPU: v1(2)},
        2,
    ),
    "a mount elsewhere whose name is not UTF-8": (
        "0::/a\n",
        "50 31 0:50 / /mnt/caf\udce9 rw - ext4 /dev/vdb rw\n" + unified(),
        {f"{UNIFIED}/a": v2(2)},
        2,
    ),
    "a name with colons": ("0::/a:b:c\n", unified(), {f"{UNIFIED}/a:b:c": v2(2)}, 2),
    "a quota of less than a processor": ("0::/a\n", unified(), {f"{UNIFIED}/a": v2(0.25)}, 0.25),
}


@pytest.mark.parametrize("case", CASES)
def test_the_quota_is_the_smallest_that_counts_for(case, tree):
    cgroup, mounts, groups, expected = CASES[case]
    assert container_limits.cpu_quota(tree(cgroup, mounts, groups)) == expected


@pytest.mark.parametrize("case", CASES)
def test_the_memory_limit_is_the_smallest_that_counts_for(case, tree):
    cgroup, mounts, groups, expected = CASES[case]
    groups = {of_memory(folder): files for folder, files in groups.items()}
    found = container_limits.memory_limit(tree(of_memory(cgroup), of_memory(mounts), groups))
    if expected == math.inf:
        assert found > 2**62  # which version 1 writes
    else:
        assert found == pytest.approx(expected * GIB)


@pytest.mark.parametrize(("limit", "share"), [(None, 1), (2**20, 1), (2**-10, 0)])
def test_available_memory_is_the_machines_within_the_limit(limit, share, tree):
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    root = tree("0::/a\n", unified(), {f"{UNIFIED}/a": v2(limit)})
    assert container_limits.available_memory(root) == (machine if share else 2**20)


@pytest.mark.parametrize(
    ("processors", "quota", "expected"),
    [(64, 2, 2), (64, 2.5, 2), (64, 1.99, 1), (64, 0.25, 1), (2, 8, 2), (64, None, 64)],
)
def test_threads_are_processors_within_the_quota_rounded_down(
    tree, monkeypatch, processors, quota, expected
):
    monkeypatch.delattr(os, "process_cpu_count", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(processors)), raising=False)
    assert (
        container_limits.available_cpus(tree("0::/a\n", unified(), {f"{UNIFIED}/a": v2(quota)}))
        == expected
    )


@pytest.mark.parametrize(("found", "expected"), [(6, 6), (None, 1)])
def test_processors_are_counted_by_what_this_python_has(tmp_path, monkeypatch, found, expected):
    root = str(tmp_path)
    monkeypatch.setattr(os, "process_cpu_count", lambda: found, raising=False)
    assert container_limits.available_cpus(root) == expected
    monkeypatch.delattr(os, "process_cpu_count")
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: found)
    assert container_limits.available_cpus(root) == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs affinity to set")
def test_affinity_narrows_what_is_available():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert container_limits.available_cpus() == 1
    finally:
        os.sched_setaffinity(0, before)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has control groups")
def test_the_mounts_of_this_machine_are_found():
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounted = "cgroup2" in file.read()
    for controller in ("cpu", "memory"):
        assert ("cgroup2" in container_limits._mounts("", controller)) == mounted


ODD = ["", "max", "-1 100000", "0 100000", "100000 0", "1", "1 2 3", "nan nan", "x y", "\x00"]


@pytest.mark.parametrize("text", ODD)
def test_a_file_that_no_kernel_writes_sets_no_quota(tree, text):
    assert (
        container_limits.cpu_quota(tree("0::/a\n", unified(), {f"{UNIFIED}/a": {"cpu.max": text}}))
        == math.inf
    )


@pytest.mark.parametrize("text", ["", "max", "-1", "0", "1 2", "nan", "x", "\x00", "9" * 5000])
def test_a_file_that_no_kernel_writes_sets_no_limit(text, tree):
    root = tree("0::/a\n", unified(), {f"{UNIFIED}/a": {"memory.max": text}})
    assert container_limits.memory_limit(root) == math.inf


@pytest.mark.parametrize("line", ["1 2 3 4 5 6 - cgroup2", "1 2 3 - cgroup2 c rw", " - ", "\0"])
def test_a_line_that_no_kernel_writes_is_passed_over(tree, line):
    root = tree(f"{line}\n0::/a\n", f"{line}\n{unified()}", {f"{UNIFIED}/a": v2(2)})
    assert container_limits.cpu_quota(root) == 2


def test_a_folder_in_a_files_place_sets_no_quota(tree):
    root = tree("0::/a\n", unified(), {f"{UNIFIED}/a/cpu.max": {}, UNIFIED: v2(2)})
    assert container_limits.cpu_quota(root) == 2


lines = st.text(string.ascii_letters + string.digits + ":/,.- \\\n\0é\u2028", max_size=60)


@settings(max_examples=60)
@given(
    lines | st.sampled_from(["0::/a\n", "0::/../a\n", "0::\n", "3:cpu:a"]),
    lines | st.sampled_from([unified(), unified("", ""), unified("a\0", "b\0")]),
    st.text(max_size=20) | st.sampled_from([*ODD, "9" * 5000 + " 1", "1 inf", "1e308 1e-308"]),
)
def test_odd_files_never_raise(tmp_path_factory, cgroup, mounts, content):
    root = tmp_path_factory.mktemp("odd")
    for path, text in (
        ("proc/self/cgroup", cgroup),
        ("proc/self/mountinfo", mounts),
        ("sys/fs/cgroup/a/cpu.max", content),
        ("sys/fs/cgroup/a/memory.max", content),
    ):
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(text.encode("utf-8", "surrogatepass"))
    assert container_limits.available_cpus(str(root)) >= 1
    assert container_limits.available_memory(str(root)) >= 0
