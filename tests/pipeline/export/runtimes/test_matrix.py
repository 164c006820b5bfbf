"""A bundle proven by the runtime that serves it, without torch and onnx, and on many runtimes."""

import json
import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from export.cli import main
from export.errors import BundleError, ParityError
from export.runtimes import environments, matrix, prove_here
from export.runtimes.matrix import table
from export.runtimes.outcome import Outcome, require
from export.runtimes.prove_here import RuntimeFigures
from pipeline.export.bundle_files import reseal
from serve_runtime import ArtifactError

LIGHT = (
    "import sys; sys.modules.update(torch=None, onnx=None); "
    "from export.runtimes.prove_here import main; sys.argv[1:] = {!r}; main()"
)
FIGURES = RuntimeFigures("onnxruntime 1.15.1", "1.26.4", "3.11.7", 100, 0.075, 0.25, 1.5, "abc")


def light(*arguments: object) -> subprocess.CompletedProcess[str]:
    """export.runtimes.prove_here in a process that has neither torch nor onnx."""
    code = LIGHT.format([str(argument) for argument in arguments])
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.fixture(params=["pristine", "mixed"])
def either(request: pytest.FixtureRequest) -> Path:
    """A bundle of plain numbers, and one that encodes its columns."""
    found: Path = request.getfixturevalue(request.param)
    return found


def test_onnx_graphs_are_proven_without_torch_and_onnx(either: Path) -> None:
    done = light(either)
    assert (done.returncode, done.stderr) == (0, "")
    found = RuntimeFigures(**json.loads(done.stdout))
    assert found.runtime.startswith("onnxruntime 1.")
    assert found.rows > 10_000
    assert 0 < found.logit_share <= 1
    assert 0 < found.probability_share <= 1
    assert 0 < found.kernel_ulp <= 3


def test_torchscript_is_proven_by_torch(pristine: Path) -> None:
    found = prove_here.prove(pristine, torchscript=True)
    assert found.runtime.startswith("torch 2.")
    assert 0 < found.logit_share <= 1


def test_torchscript_is_proven_without_onnxruntime(either: Path) -> None:
    """As with the torch of a distribution, which has no onnxruntime beside it."""
    code = LIGHT.replace("torch=None, onnx=None", "onnxruntime=None, onnx=None")
    command = [sys.executable, "-c", code.format([str(either), "--torchscript"])]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["runtime"].startswith("torch 2.")


def test_the_same_runtime_gives_the_same_bits(pristine: Path) -> None:
    assert prove_here.prove(pristine) == prove_here.prove(pristine)


def test_a_damaged_bundle_is_refused_by_name(bundle: Path) -> None:
    (bundle / "model.onnx").write_bytes(b"")
    done = light(bundle)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"Error: {bundle / 'model.onnx'} is not the file")
    with pytest.raises(ArtifactError, match=r"model\.onnx is not the file that was exported"):
        prove_here.prove(bundle)


def test_a_certificate_of_another_model_is_refused(
    bundle: Path, pristine: Path, other: Path
) -> None:
    (bundle / "parity.json").write_bytes((other / "parity.json").read_bytes())
    reseal(bundle)
    with pytest.raises(BundleError, match=r"parity\.json was issued for .* belongs to another"):
        prove_here.prove(bundle)


def test_a_python_without_the_runtime_is_an_outcome(pristine: Path, tmp_path: Path) -> None:
    (outcome,) = matrix.prove([pristine], [], [tmp_path / "python"], tmp_path)
    assert outcome.figures is None
    assert "No such file" in outcome.problem
    with pytest.raises(ParityError, match=r"the torch of .*python, .*five: .*No such file"):
        require([outcome])


def test_this_python_proves_torchscript_as_another_would(pristine: Path, tmp_path: Path) -> None:
    (outcome,) = matrix.prove([pristine], [], [Path(sys.executable)], tmp_path)
    assert outcome.problem == ""
    assert outcome.figures == prove_here.prove(pristine, torchscript=True)
    require([outcome])


def test_an_environment_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(ParityError, match=r"cannot make an environment: .* failed .*broken"):
        environments.call(sys.executable, "-c", "raise SystemExit('broken')")


def test_without_one_environment_the_others_go_on(
    pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def environment(folder: Path, minor: str) -> Path:
        if minor == "1.16":
            raise ParityError("no wheel")
        return Path(sys.executable)

    monkeypatch.setattr(matrix, "environment", environment)
    found = list(matrix.prove([pristine], ["1.16", "1.31"], [], tmp_path))
    assert [outcome.problem for outcome in found] == ["no wheel", ""]


def test_the_oldest_release_is_the_same_everywhere() -> None:
    from serve_runtime.inference.tried import OLDEST_ONNXRUNTIME

    oldest = ".".join(map(str, OLDEST_ONNXRUNTIME))
    assert oldest == matrix.MINORS[0]
    project = tomllib.loads(Path("pyproject.toml").read_text())["project"]
    assert f"onnxruntime>={oldest}" in project["dependencies"]


def test_a_replaced_torchscript_is_refused(bundle: Path, other: Path) -> None:
    (bundle / "model.torchscript.pt").write_bytes((other / "model.torchscript.pt").read_bytes())
    with pytest.raises(ArtifactError, match=r"model\.torchscript\.pt is not the file"):
        prove_here.prove(bundle, torchscript=True)
    reseal(bundle)
    with pytest.raises(BundleError, match=r"parity\.json certifies model\.torchscript\.pt with"):
        prove_here.prove(bundle, torchscript=True)


def test_releases_that_agree_in_every_bit_share_a_letter() -> None:
    bundle = Path("bundles/churn")
    outcomes = [
        Outcome("onnxruntime 1.15", bundle, FIGURES, ""),
        Outcome("onnxruntime 1.16", bundle, replace(FIGURES, bits="other"), ""),
        Outcome("onnxruntime 1.17", bundle, FIGURES, ""),
        Outcome("onnxruntime 1.17", Path("bundles/else"), replace(FIGURES, bits="third"), ""),
        Outcome("the torch of python", bundle, replace(FIGURES, runtime="torch 1.13"), ""),
        Outcome("onnxruntime 1.18", bundle, None, "a reason"),
    ]
    rows = table(outcomes).rows
    assert [row[-1] for row in rows] == ["a", "b", "a", "a", "a", "—"]
    assert rows[0][:-1] == (
        "onnxruntime 1.15.1", "3.11.7", "1.26.4", "churn", "7.5%", "25.0%", "1.50",
    )  # fmt: skip
    with pytest.raises(ParityError, match=r"^onnxruntime 1\.18, bundles/churn: a reason$"):
        require(outcomes)


def test_an_unsupported_release_is_a_wrong_command(pristine: Path) -> None:
    result = CliRunner().invoke(main, ["runtimes", str(pristine), "--only", "1.14"])
    assert result.exit_code == 2
    assert "supported are 1.15 to 1.32; got '1.14'" in result.output


def test_encoded_files_have_their_bits_on_the_oldest_release() -> None:
    """In the environment of make parity-matrix, made here where it is missing."""
    oldest = matrix.MINORS[0]
    try:
        python = environments.environment(Path(f".matrix/onnxruntime-{oldest}"), oldest)
    except ParityError as reason:
        pytest.skip(f"onnxruntime {oldest} cannot be installed here: {reason!s:.300}")
    code = """if True:
        import numpy as np
        from light.bundle.graph import random_encodings as encodings
        for seed in range(8):
            rng = np.random.default_rng(seed)
            names = rng.permutation(encodings.NAMES)[:9]
            columns = [encodings.random_column(rng, str(name)) for name in names]
            model = encodings.random_model(rng, columns)
            encodings.check_files(model, encodings.random_rows(rng, model.encoding, 1024))
        print(encodings.ort.__version__)
    """
    command = [str(python), "-c", code]
    paths = os.pathsep.join((str(Path.cwd()), str(Path("tests").resolve())))
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.startswith(f"{oldest}.")
