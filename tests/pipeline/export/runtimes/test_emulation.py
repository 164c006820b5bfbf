"""Emulated Pythons are found or made, or the message says what is missing and how to get it."""

import subprocess
from pathlib import Path

import pytest

from export.errors import ParityError
from export.runtimes import emulation
from export.runtimes.emulation import AARCH64, Emulated, emulated_python, version_of

NEON = Emulated(AARCH64, "neoverse-n1,pauth=off", (10, 0))


def write_program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def qemu(tmp_path: Path) -> Path:
    """A folder with a QEMU that prints the PYTHONPATH and what it is called with."""
    folder = tmp_path / "qemu"
    folder.mkdir()
    write_program(
        folder / "qemu-aarch64",
        'if [ "$1" = --version ]; then echo "qemu-aarch64 version 11.1.3 (Debian)"; else\n'
        'for each in "$PYTHONPATH" "$@"; do echo "$each"; done; fi',
    )
    return folder


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been downloaded, in place of downloading it."""
    calls: list[str] = []
    monkeypatch.setattr(emulation, "call", lambda *command: calls.append(" ".join(command)))
    monkeypatch.setattr(emulation, "_mirror", lambda: "file:///mirror")
    monkeypatch.setattr("shutil.which", lambda name, path=None: f"{path or '/bin'}/{name}")
    return calls


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("qemu-aarch64 version 7.2.19 (Debian 1:7.2+dfsg-7)\nCopyright", (7, 2)),
        ("qemu-x86_64 version 11.1.3 (Debian 1:11.1.3+ds-1)", (11, 1)),
        ("no version", (0, 0)),
    ],
)
def test_a_version_is_read(text: str, version: tuple[int, int]) -> None:
    assert version_of(text) == version


def test_a_missing_emulator_says_how_to_get_it(tmp_path: Path) -> None:
    message = r"qemu-aarch64 was not found in .*; .* 10\.0 or later .* package qemu-user .* --qemu"
    with pytest.raises(ParityError, match=message):
        emulated_python(NEON, "1.32", tmp_path, tmp_path)


def test_an_emulator_that_is_too_old_says_how_to_get_another(tmp_path: Path) -> None:
    write_program(tmp_path / "qemu-aarch64", "echo qemu-aarch64 version 7.2.19")
    with pytest.raises(ParityError, match=r"qemu-aarch64 is version 7\.2; qemu-aarch64 10\.0 or"):
        emulated_python(NEON, "1.32", tmp_path, tmp_path)


def test_the_python_runs_in_its_sysroot_under_its_own_name(
    tmp_path: Path, qemu: Path, made: list[str]
) -> None:
    folder = tmp_path / "kept, it's odd"
    python = emulated_python(NEON, "1.15", folder, qemu, extra="pytest")
    done = subprocess.run([python, "-c", "pass"], capture_output=True, text=True, check=True)
    paths, *arguments = done.stdout.splitlines()
    assert paths.startswith(f"{folder}/arm64-onnxruntime-1.15-")
    sysroot = folder / "arm64-bookworm"
    assert arguments[:4] == ["-cpu", "neoverse-n1,pauth=off", "-L", str(sysroot)]
    assert arguments[arguments.index("-0") + 1] == str(python)
    assert arguments[-3:] == [f"{sysroot}/usr/bin/python3.11", "-c", "pass"]
    (pip,) = [call for call in made if " pip " in call]
    assert "--platform=manylinux_2_28_aarch64" in pip
    assert pip.endswith("click tqdm onnxruntime==1.15.* numpy<2 pytest")


def test_what_was_made_is_kept(tmp_path: Path, qemu: Path, made: list[str]) -> None:
    emulated_python(NEON, "1.32", tmp_path, qemu)
    assert any(call.startswith("apt-get ") and call.endswith(" update") for call in made)
    made.clear()
    emulated_python(NEON, "1.32", tmp_path, qemu)
    assert made == []


def test_nothing_is_left_of_a_sysroot_that_cannot_be_made(
    tmp_path: Path, qemu: Path, made: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*command: str) -> None:
        raise ParityError("no such suite")

    monkeypatch.setattr(emulation, "call", fail)
    with pytest.raises(ParityError, match="no such suite"):
        emulated_python(NEON, "1.32", tmp_path / "kept", qemu)
    assert list((tmp_path / "kept").iterdir()) == []
