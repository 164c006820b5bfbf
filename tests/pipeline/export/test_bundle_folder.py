"""A bundle whose folder is made, or being made, by somebody else; what a killed export leaves."""

import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from export import publish
from export.cli import main
from serve_runtime import Predictor
from serve_runtime.bundle.manifest import CERTIFICATE, MANIFEST


def export(run_folder: Path, bundle: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["bundle", str(run_folder), str(bundle), *options])


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch):
    """`meanwhile(act)`: `act` is called when the next bundle is proven, before it is published."""

    def arm(act) -> None:
        write = publish._write_certificate

        def write_and_act(*arguments) -> None:
            write(*arguments)
            monkeypatch.undo()
            act()

        monkeypatch.setattr(publish, "_write_certificate", write_and_act)

    return arm


@pytest.mark.parametrize("options", [(), ("--force",)])
def test_a_folder_that_appeared_is_left_alone(
    run_folder: Path, tmp_path: Path, meanwhile, options: tuple[str, ...]
) -> None:
    bundle = tmp_path / "b"
    meanwhile(lambda: (bundle.mkdir(), (bundle / "precious").touch()))
    result = export(run_folder, bundle, *options)
    assert result.exit_code == 1
    assert f"the finished result is kept as {bundle}.new: rename it, or move b" in result.stderr
    assert (names(tmp_path), names(bundle)) == (["b", "b.new"], ["precious"])
    assert Predictor(tmp_path / "b.new").n_features_in_ == 5


def test_the_second_of_two_exports_is_refused(run_folder: Path, tmp_path: Path, meanwhile) -> None:
    bundle, second = tmp_path / "b", []
    meanwhile(lambda: second.append(export(run_folder, bundle)))
    assert export(run_folder, bundle).exit_code == 0
    assert (second[0].exit_code, second[0].stderr) == (
        1,
        f"Error: another process is writing {bundle}: wait until it ends, or choose another name\n",
    )
    assert names(tmp_path) == ["b"]


def end_with(number: int, run_folder: Path, bundle: Path) -> int:
    """The exit code of an export that gets the signal `number` when it has written a file."""
    command = [sys.executable, "-m", "export", "bundle", str(run_folder), str(bundle)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not any(bundle.parent.glob(".b.part/*")) and time.monotonic() < deadline:
            assert process.poll() is None, "it ended before it could be ended"
            time.sleep(0.005)
        process.send_signal(number)
    return process.returncode


def test_what_a_killed_export_left_is_removed(run_folder: Path, tmp_path: Path) -> None:
    assert end_with(signal.SIGKILL, run_folder, tmp_path / "b") == -signal.SIGKILL
    assert names(tmp_path) == [".b.part"]
    assert export(run_folder, tmp_path / "b").exit_code == 0
    assert names(tmp_path) == ["b"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_an_export_that_is_ended_leaves_nothing(
    run_folder: Path, tmp_path: Path, number: int
) -> None:
    assert end_with(number, run_folder, tmp_path / "b") == 128 + number
    assert names(tmp_path) == []


def test_a_bundle_keeps_the_modes_of_what_it_replaces(run_folder: Path, tmp_path: Path) -> None:
    bundle = tmp_path / "b"
    assert export(run_folder, bundle).exit_code == 0
    modes = {bundle: 0o750, bundle / CERTIFICATE: 0o600, bundle / MANIFEST: 0o640}
    for path, mode in modes.items():
        path.chmod(mode)
    assert export(run_folder, bundle, "--force").exit_code == 0
    assert {path: stat.S_IMODE(path.stat().st_mode) for path in modes} == modes
