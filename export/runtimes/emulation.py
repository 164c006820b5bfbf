"""Pythons for other processors: QEMU's user mode, Debian's Python 3.11, and wheels from pip.

QEMU translates the instructions of one program; what that program asks of the system, this system
answers. So a Python for an emulated processor needs no more than the files of its Debian packages,
unpacked into a folder (the sysroot), and wheels. Nothing of it is installed on this machine: apt
works on a state of its own, in the same folder.
"""

import hashlib
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NamedTuple

from export.errors import ParityError
from export.runtimes.environments import PIP_INSTALL, call, requirements

SUITE: Final = "bookworm"
"""Debian 12: its Python is 3.11, the newest for which the oldest onnxruntime has wheels."""

_PACKAGES = ("python3.11", "libstdc++6", "libgomp1")

_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"

_GLIBC_MINORS = (28, 27, 17)
"""Of glibc 2, in the tags of wheels that Debian 12 can load, and that numpy and onnxruntime use."""


class Architecture(NamedTuple):
    """A family of processors, by the names that each tool has for it."""

    debian: str
    wheels: str
    """In the tags of wheels, and QEMU's program is qemu-*this*."""


X86_64: Final = Architecture("amd64", "x86_64")
AARCH64: Final = Architecture("arm64", "aarch64")


class Emulated(NamedTuple):
    """A processor that QEMU can be."""

    architecture: Architecture
    cpu: str
    """QEMU's name for it, with options."""
    oldest_qemu: tuple[int, int]
    """The first release that runs numpy and onnxruntime with it."""


def emulated_python(
    processor: Emulated, minor: str, folder: Path, qemu: Path | None = None, extra: str = ""
) -> Path:
    """A program that is Python 3.11 with numpy and an onnxruntime on an emulated processor.

    `minor` is the release of onnxruntime, `qemu` the folder of QEMU's programs where they are not
    on the PATH, `extra` names more that pip has to install. All that it needs is made below
    `folder`, once, and kept. Raises ParityError saying what is missing, and how to get it.
    """
    emulator = _find_qemu(processor, qemu)
    architecture = processor.architecture
    sysroot = _made(folder / f"{architecture.debian}-{SUITE}", _make_sysroot, architecture.debian)
    names = ["click", "tqdm", *requirements(minor), *extra.split()]
    suffix = f"-{hashlib.sha256(extra.encode()).hexdigest()[:8]}" if extra else ""
    wheels = _made(folder / f"{architecture.debian}-onnxruntime-{minor}{suffix}", _install_wheels,
                   architecture.wheels, names)  # fmt: skip
    cpu = processor.cpu.partition(",")[0]
    python = folder / f"{cpu}-onnxruntime-{minor}{suffix}.sh"
    settings = {
        "EMULATED_CPU": cpu,
        "LD_LIBRARY_PATH": f"/usr/lib/{architecture.wheels}-linux-gnu",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    exports = [f"export {shlex.join([f'{name}={value}'])}" for name, value in settings.items()]
    paths = shlex.quote(f"{wheels}:{Path(__file__).parents[2]}")
    command = shlex.join(map(str, [emulator, "-cpu", processor.cpu, "-L", sysroot]))
    program = shlex.quote(f"{sysroot}/usr/bin/python3.11")
    python.write_text("\n".join([
        "#!/bin/sh",
        "unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE  # they name this machine's processor",
        "unset PYTHONHOME",
        *exports,
        f'export PYTHONPATH={paths}:"$PYTHONPATH"',
        "# -0: sys.executable is this file, so that programs that the program starts run too.",
        f'exec {command} -0 "$0" {program} "$@"',
        "",
    ]))  # fmt: skip
    python.chmod(0o755)
    return python


def _find_qemu(processor: Emulated, folder: Path | None) -> Path:
    name = f"qemu-{processor.architecture.wheels}"
    path = shutil.which(name, path=None if folder is None else str(folder))
    oldest = ".".join(map(str, processor.oldest_qemu))
    how = (
        f"{name} {oldest} or later is needed for the processor {processor.cpu.partition(',')[0]}: "
        "Debian's package qemu-user has 10.0 in Debian 13 and in the backports of Debian 12, and "
        "11 in the backports of Debian 13. Its programs need no other package: dpkg-deb -x unpacks "
        "them anywhere; then name their folder with --qemu (QEMU= of make)"
    )
    if path is None:
        raise ParityError(
            f"{name} was not found {f'in {folder}' if folder else 'on the PATH'}; {how}"
        )
    found = version_of(subprocess.run([path, "--version"], capture_output=True, text=True).stdout)
    if found < processor.oldest_qemu:
        raise ParityError(f"{path} is version {'.'.join(map(str, found))}; {how}")
    return Path(path).resolve()


def version_of(text: str) -> tuple[int, int]:
    """Major and minor version in what `qemu-… --version` prints; (0, 0) where there is none."""
    found = re.search(r"version (\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _made(folder: Path, make: Callable[..., None], *arguments: object) -> Path:
    """`folder`; where it is missing, `make(folder, …)` fills it, and it appears whole."""
    if not folder.exists():
        begun = folder.with_name(f"{folder.name}.{os.getpid()}.part")
        shutil.rmtree(begun, ignore_errors=True)
        begun.mkdir(parents=True)
        try:
            make(begun, *arguments)
            begun.rename(folder)
        finally:
            shutil.rmtree(begun, ignore_errors=True)
    return folder


def _make_sysroot(folder: Path, architecture: str) -> None:
    """Unpack the packages of Debian's Python and of all that it depends on into `folder`."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise ParityError(f"{program} was not found: emulated Pythons are made of Debian's "
                              "packages, so a Debian (or a container of it) is needed")  # fmt: skip
    apt = folder / "apt"
    get = ("apt-get", "-qq", "-c", str(_private_apt(apt, architecture)))
    call(*get, "update")
    call(*get, "-y", "--no-install-recommends", "--download-only", "install", *_PACKAGES)
    for package in sorted((apt / "cache" / "archives").glob("*.deb")):
        call("dpkg-deb", "-x", str(package), str(folder))
    shutil.rmtree(apt)
    # Without one of its own, the emulated linker would read this machine's list of libraries.
    (folder / "etc").mkdir(exist_ok=True)
    (folder / "etc" / "ld.so.cache").touch()


def _private_apt(folder: Path, architecture: str) -> Path:
    """A configuration with which apt-get keeps to `folder`, and knows of no installed package."""
    for name in ("state/lists/partial", "cache/archives/partial", "etc/preferences.d"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    sources = f"deb [signed-by={_KEYRING}] {_mirror()} {SUITE} main\n"
    (folder / "etc" / "sources.list").write_text(sources)
    settings = {
        "Dir::State": folder / "state",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder / "cache",
        "Dir::Etc": folder / "etc",
        "Dir::Etc::sourceparts": "-",
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "",
    }
    # What a host does after an update is meant for its own packages.
    cleared = ("APT::Architectures", "APT::Update::Post-Invoke", "APT::Update::Post-Invoke-Success")
    lines = [f"#clear {name};" for name in cleared]
    lines += [f'{name} "{value}";' for name, value in settings.items()]
    configuration = folder / "apt.conf"
    configuration.write_text("\n".join(lines) + "\n")
    return configuration


def _mirror() -> str:
    """The address from which this machine has its own Debian packages."""
    wanted = ("apt-get", "indextargets", "--format", "$(REPO_URI)", "Origin: Debian")
    found = subprocess.run(wanted, capture_output=True, text=True, check=False).stdout.split()
    plain = [address for address in found if "security" not in address]
    if not plain:
        raise ParityError(
            "apt-get knows no source of Debian's packages here: run apt-get update on a Debian "
            "system first"
        )
    return plain[0]


def _install_wheels(folder: Path, architecture: str, names: list[str]) -> None:
    tags = [f"--platform=manylinux_2_{minor}_{architecture}" for minor in _GLIBC_MINORS]
    call(sys.executable, *PIP_INSTALL, f"--target={folder}", *tags,
         f"--platform=manylinux2014_{architecture}", "--only-binary=:all:",
         "--python-version=3.11", "--implementation=cp", *names)  # fmt: skip
