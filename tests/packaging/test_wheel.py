"""The built wheel, in an empty virtual environment outside the checkout."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
LIGHT = ROOT / "tests" / "light"


def call(*command: object, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in `folder` without anything of the checkout on its path."""
    hidden = ("PYTHONPATH", "ORT_DISABLE_TELEMETRY", "PYTEST_ADDOPTS", "PYTHONWARNINGS")
    environment = {name: value for name, value in os.environ.items() if name not in hidden}
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )


def must(*command: object, folder: Path) -> str:
    result = call(*command, folder=folder)
    assert result.returncode == 0, f"{command} failed:\n{result.stdout}{result.stderr}"
    return result.stdout


def empty_environment(folder: Path, *packages: str) -> Path:
    """A new virtual environment with `packages`; returns its folder of programs."""
    must(sys.executable, "-m", "venv", folder, folder=folder.parent)
    pip = [folder / "bin" / "python", "-m", "pip", "install", "--quiet"]
    pip += ["--disable-pip-version-check", "--constraint", ROOT / "constraints.txt"]
    must(*pip, *packages, folder=folder.parent)
    return folder / "bin"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    must(sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check",
         "--no-deps", "--wheel-dir", folder, ROOT, folder=folder)  # fmt: skip
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return empty_environment(tmp_path_factory.mktemp("bare") / "venv", str(wheel))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return Path(shutil.copytree(LIGHT / "tiny", tmp_path / "tiny"))


def test_wheel_holds_the_runtime_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0].split("-")[0] for name in names} == {"serve_runtime"}
    sources = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "serve_runtime").rglob("*.*")
        if path.suffix != ".pyc"
    }
    assert {name for name in names if ".dist-info/" not in name} == sources
    assert "serve_runtime/py.typed" in names
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_installing_brings_the_dependencies_and_nothing_else(
    programs: Path, tmp_path: Path
) -> None:
    script = (
        "import importlib.metadata as m, json;"
        "print(json.dumps({d.name.lower(): d.requires or [] for d in m.distributions()}))"
    )
    installed = json.loads(must(programs / "python", "-c", script, folder=tmp_path))
    needed, todo = set(), ["numpy", "onnxruntime", "click"]
    while todo:
        name = todo.pop().lower()
        if name not in needed:
            needed.add(name)
            requirements = map(Requirement, installed[name])
            todo += [
                r.name for r in requirements if not r.marker or r.marker.evaluate({"extra": ""})
            ]
    assert installed.keys() - {"pip", "setuptools"} == needed | {"serve-runtime"}


def test_three_lines_load_a_bundle_and_predict(programs: Path, tmp_path: Path, tiny: Path) -> None:
    script = (
        "from serve_runtime import Predictor\n"
        "predictor = Predictor('tiny')\n"
        "print(predictor.predict([[1, 2], [6, 2]]), predictor.probability([[6, 2]]) > 0.99)"
    )
    result = call(programs / "python", "-c", script, folder=tmp_path)
    assert (result.stdout, result.stderr) == ("[0 1] [ True]\n", "")


def test_import_loads_no_other_library(programs: Path, tmp_path: Path) -> None:
    script = (
        "import sys, serve_runtime\n"
        "names = ('torch', 'onnx', 'onnxruntime', 'numpy', 'click', 'pandas', 'pyarrow')\n"
        "print([name for name in names if name in sys.modules], serve_runtime.__file__)"
    )
    output = must(programs / "python", "-c", script, folder=tmp_path)
    assert output.startswith("[] ")
    assert str(ROOT) not in output


def test_command_works_and_files_name_their_extra(
    programs: Path, tmp_path: Path, tiny: Path
) -> None:
    assert "8 golden rows within budget" in must(
        programs / "serve-runtime", "selftest", tiny, folder=tmp_path
    )
    assert "labels       0 (negative), 1 (positive)" in must(
        programs / "serve-runtime", "inspect", tiny, folder=tmp_path
    )
    (tmp_path / "rows.csv").write_text("x1,x2\n1,2\n")
    result = call(programs / "serve-runtime", "score", tiny, "rows.csv", "-o", "-", folder=tmp_path)
    assert result.returncode == 1
    assert result.stderr == (
        "Error: files and Arrow batches need pyarrow, the extra [files] of serve-runtime: "
        "pip install pyarrow\n"
    )


@pytest.fixture
def other_build(tmp_path: Path) -> Path:
    """An environment whose onnxruntime belongs to another distribution, as a GPU's build does."""
    programs = empty_environment(tmp_path / "gpu", "onnxruntime")
    (info,) = tmp_path.glob("gpu/lib/python*/site-packages/onnxruntime-*.dist-info")
    metadata = (info / "METADATA").read_text(encoding="utf-8")
    (info / "METADATA").write_text(
        metadata.replace("Name: onnxruntime\n", "Name: onnxruntime-gpu\n", 1), encoding="utf-8"
    )
    info.rename(info.with_name(info.name.replace("onnxruntime-", "onnxruntime_gpu-")))
    return programs


def test_another_build_of_onnxruntime_stays_as_it_is(
    wheel: Path, other_build: Path, tmp_path: Path, tiny: Path
) -> None:
    pip = [other_build / "python", "-m", "pip", "--disable-pip-version-check"]
    (library,) = tmp_path.glob("gpu/lib/python*/site-packages/onnxruntime")

    def state() -> dict[Path, tuple[int, int]]:
        files = [path for path in library.rglob("*") if path.suffix in {".py", ".so", ".pyd"}]
        return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in files}

    before = state()
    planned = must(*pip, "install", "--dry-run", wheel, folder=tmp_path)
    assert re.search(r"Would install .*\bonnxruntime-\d", planned), "what plain pip would do"
    must(*pip, "install", "--quiet", "--no-deps", wheel, folder=tmp_path)
    must(*pip, "install", "--quiet", "numpy", "click", folder=tmp_path)
    names = {line.split("==")[0] for line in must(*pip, "freeze", folder=tmp_path).splitlines()}
    assert "onnxruntime-gpu" in names
    assert "onnxruntime" not in names
    assert "8 golden rows within budget" in must(
        other_build / "serve-runtime", "selftest", tiny, folder=tmp_path
    )
    assert state() == before

    (library / "__init__.py").unlink()  # as where another build in the same place is uninstalled
    damaged = call(other_build / "serve-runtime", "selftest", tiny, folder=tmp_path)
    assert damaged.returncode == 1
    assert damaged.stderr.startswith("Error: onnxruntime is damaged, it has no InferenceSession")
    shutil.rmtree(library)
    absent = call(other_build / "serve-runtime", "selftest", tiny, folder=tmp_path)
    assert absent.returncode == 1
    assert absent.stderr.startswith(
        "Error: scoring needs onnxruntime, which is not installed: pip install onnxruntime, or"
    )
    inspected = must(other_build / "serve-runtime", "inspect", tiny, folder=tmp_path)
    assert "labels       0 (negative), 1 (positive)" in inspected


def test_light_tests_pass_without_torch(wheel: Path, tmp_path: Path) -> None:
    """All of tests/light but its fuzzing, from a copy, in an environment that has neither torch nor
    onnx. `make test` runs them nowhere else."""
    tools = ["pytest", "hypothesis", "pytest-xdist", "pandas", "polars"]
    programs = empty_environment(tmp_path / "venv", f"{wheel}[files]", *tools)
    shutil.copytree(
        LIGHT, tmp_path / "light", ignore=shutil.ignore_patterns("__pycache__", "test_fuzz.py")
    )
    settings = "[pytest]\nfilterwarnings = error\nxfail_strict = true\n"
    (tmp_path / "pytest.ini").write_text(settings)
    listed = must(programs / "python", "-m", "pip", "list", folder=tmp_path).split()
    assert not {"torch", "onnx"} & set(listed)
    options = ("-q", "-ra", "--strict-markers", "--strict-config")
    output = must(programs / "python", "-m", "pytest", *options, "light", folder=tmp_path)
    assert re.search(r"^\d+ passed in ", output, re.M), output
