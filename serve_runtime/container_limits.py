"""What a container allows this process: threads that may compute at once, and bytes of memory.

A container's quota is no number of processors: with a quota of 2 on 64 processors, 64 threads use
the time of each period (100 ms, as a rule) up in its first 3 ms, and then the whole process
stands still until the next. Neither Python nor onnxruntime looks at it.

Both limits belong to control groups, which are nested: the smallest on the way up counts.
"""

import math
import os
import re
from collections.abc import Iterator
from itertools import accumulate


def available_cpus(root: str = "") -> int:
    """Threads that this process can keep running at once, at least 1, as things are now.

    The processors it may be scheduled on, but no more than its CPU quota rounded down: with the
    quota rounded up, as Go and the JVM do, equal shares of work on all threads would run into it,
    and stop the host program's own threads too; what is left over is theirs. (Rust and
    go.uber.org/automaxprocs round down.) `root` goes before the path of every file that is read.
    """
    return max(1, int(min(processors(), cpu_quota(root))))


def cpu_quota(root: str = "") -> float:
    """The CPU quota of this process in processors, infinite where none is set or can be read.

    The smallest of its control group's and those of the groups above, as far as they are mounted:
    cpu.max of version 2, cpu.cfs_quota_us / cpu.cfs_period_us of version 1 (Linux,
    Documentation/admin-guide/cgroup-v2.rst, Documentation/scheduler/sched-bwc.rst).
    """
    return min(map(_cpu_quota, _folders(root, "cpu")), default=math.inf)


def available_memory(root: str = "") -> int:
    """Bytes of memory that this process may use: the machine's, but no more than `memory_limit`."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return int(min(machine, memory_limit(root)))


def memory_limit(root: str = "") -> float:
    """The memory limit of this process in bytes, infinite where none is set or can be read.

    The smallest of its control group's and those of the groups above, as far as they are mounted:
    memory.max of version 2, memory.limit_in_bytes of version 1, where no limit reads as almost
    2⁶³ (Linux, Documentation/admin-guide/cgroup-v2.rst, cgroup-v1/memory.rst). `root` goes before
    the path of every file that is read.
    """
    return min(map(_memory_limit, _folders(root, "memory")), default=math.inf)


def processors() -> int:
    """Processors on which this process may be scheduled."""
    if hasattr(os, "process_cpu_count"):  # Python 3.13; heeds PYTHON_CPU_COUNT as well
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _folders(root: str, controller: str) -> Iterator[str]:
    """Folders of the control groups in which `controller` ("cpu" or "memory") may limit this
    process (proc(5), cgroups(7)).

    A group's path and the part of the hierarchy that a mount shows are both told relative to the
    cgroup namespace. Where no mount shows the group (it, or the mount, was taken from outside of
    the namespace), the mount point itself is the nearest group that is known.
    """
    mounts = _mounts(root, controller)
    for kind, group in _groups(root, controller).items():
        places = mounts.get(kind, [])
        shown = [folder for top, point in places for folder in _path(group, top, point)]
        yield from shown or [point for _, point in places]


def _groups(root: str, controller: str) -> dict[str, str]:
    """Path of this process's group in each kind of hierarchy that may hold `controller`."""
    groups = {}
    for line in _read(f"{root}/proc/self/cgroup").split("\n"):
        hierarchy, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if hierarchy == "0":
            groups["cgroup2"] = path
        elif controller in controllers.split(","):
            groups["cgroup"] = path
    return groups


def _mounts(root: str, controller: str) -> dict[str, list[tuple[str, str]]]:
    """For each kind of hierarchy that may hold `controller`: the group that is the top of each of
    its mounts, and the mount point."""
    mounts: dict[str, list[tuple[str, str]]] = {}
    for line in _read(f"{root}/proc/self/mountinfo").split("\n"):
        mount, _, system = line.partition(" - ")
        # 36 35 0:29 <top> <point> <options> [<tag> …] - <kind> <source> <options>
        if len(mount.split(" ")) >= 6 and len(system.split(" ")) == 3:
            top, point = map(_unescape, mount.split(" ")[3:5])
            kind, _, options = system.split(" ")
            if kind == "cgroup2" or controller in options.split(","):
                mounts.setdefault(kind, []).append((top, root + point))
    return mounts


def _path(group: str, top: str, point: str) -> list[str]:
    """Folders from the mount at `point`, which shows `top`, down to `group`; none if outside."""
    top = top.rstrip("/")
    below = group.removeprefix(top).split("/")
    if not f"{group}/".startswith(f"{top}/") or ".." in below:
        return []
    return list(accumulate(filter(None, below), "{}/{}".format, initial=point))


def _cpu_quota(folder: str) -> float:
    """The CPU quota of one control group, in processors."""
    text = _read(f"{folder}/cpu.max") or (
        _read(f"{folder}/cpu.cfs_quota_us") + _read(f"{folder}/cpu.cfs_period_us")
    )
    try:
        allowed, period = map(float, text.split())  # each version 1 file ends in a newline
    except ValueError:  # "max", nothing, or not what the kernel writes
        return math.inf
    return allowed / period if allowed > 0 and period > 0 else math.inf


def _memory_limit(folder: str) -> float:
    """The memory limit of one control group, in bytes."""
    text = _read(f"{folder}/memory.max") or _read(f"{folder}/memory.limit_in_bytes")
    try:
        allowed = float(text)
    except ValueError:  # "max", nothing, or not what the kernel writes
        return math.inf
    return allowed if allowed > 0 else math.inf


def _read(path: str) -> str:
    try:
        # pathlib costs more to import than all of this costs to run
        with open(path, encoding="utf-8", errors="surrogateescape") as file:  # noqa: PTH123
            return file.read()
    except (OSError, ValueError):
        return ""


def _unescape(field: str) -> str:
    r"""A field of mountinfo, where a space is \040; systemd's names have backslashes: \134."""
    return re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), field)
