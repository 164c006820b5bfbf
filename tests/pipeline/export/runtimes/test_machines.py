"""A machine holds its promises, is refused, or fails; the tables and the exit say which."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from export.errors import ParityError
from export.runtimes import machines, prove_here
from export.runtimes import outcome as outcomes
from export.runtimes.machines import MACHINES, Ranges, ranges_table, require, table
from export.runtimes.outcome import Outcome, prove_with
from export.runtimes.prove_here import RuntimeFigures
from export.sigmoid.ranges import RangeFigures
from pipeline.export.runtimes.test_matrix import FIGURES
from serve_runtime.errors import SelfTestError

BUNDLES = [Path("b/features-1"), Path("b/features-30"), Path("b/features-1000")]
HELD = RangeFigures(510_000_000, 3.82, -17.0, 0, 0)


def outcome(
    bundle: Path, figures: RuntimeFigures | None = FIGURES, refused: bool = False
) -> Outcome:
    return Outcome("onnxruntime 1.32", bundle, figures, "" if figures else "a reason", refused)


def test_machines_come_in_their_order_with_letters() -> None:
    found = [
        ("SME", outcome(BUNDLES[0], None)),
        ("NEON", outcome(BUNDLES[2], replace(FIGURES, bits="other"))),
        ("NEON", outcome(BUNDLES[1], None, refused=True)),
        ("AVX2", outcome(BUNDLES[2])),
        ("AVX2", outcome(BUNDLES[0])),
    ]
    assert [(row[0], row[2], row[3], row[-1]) for row in table(found).rows] == [
        ("AVX2", "features-1", "holds", "a"),
        ("AVX2", "features-1000", "holds", "a"),
        ("NEON", "features-30", "refused", "—"),
        ("NEON", "features-1000", "holds", "b"),
        ("SME", "features-1", "FAILED", "—"),
    ]


def test_a_refusal_is_no_failure_and_a_failure_is_named() -> None:
    refused = outcome(BUNDLES[1], None, refused=True)
    require([("this machine", outcome(BUNDLES[0])), ("NEON", refused)], [])
    with pytest.raises(ParityError, match=r"^onnxruntime 1\.32, b/features-1: a reason$"):
        require([("NEON", outcome(BUNDLES[0], None))], [])
    with pytest.raises(ParityError, match=r"^onnxruntime 1\.32, b/features-30: a reason$"):
        require([("this machine", refused)], [])  # nor may any machine of the matrix refuse
    with pytest.raises(ParityError, match="features-30"):
        outcomes.require([refused])


@pytest.mark.parametrize(
    "broken",
    [
        replace(HELD, ulp=4.5),
        replace(HELD, falls=1),
        replace(HELD, outside=1),
        None,
    ],
)
def test_a_sigmoid_that_breaks_a_promise_fails(broken: RangeFigures | None) -> None:
    held = Ranges("NEON", "onnxruntime 1.32", HELD, "")
    require([], [held])
    failed = Ranges("SVE", "onnxruntime 1.32", broken, "" if broken else "a reason")
    assert [row[-1] for row in ranges_table([failed, held]).rows] == ["holds", "FAILED"]
    with pytest.raises(ParityError, match=r"^SVE, onnxruntime 1\.32: (the sigmoid on|a reason)"):
        require([], [held, failed])


def test_a_predictor_that_refuses_the_machine_is_told_apart(
    pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> RuntimeFigures:
        raise SelfTestError("the probability falls")

    monkeypatch.setattr(prove_here, "prove", refuse)
    monkeypatch.setattr(sys, "argv", ["prove_here", str(pristine)])
    with pytest.raises(SystemExit) as exit:
        prove_here.main()
    assert exit.value.code == prove_here.REFUSED
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho cpuid warning >&2; echo 'Error: it falls' >&2; exit 3\n")
    python.chmod(0o755)
    found = prove_with(python, "onnxruntime 1.32", pristine)
    assert (found.figures, found.problem, found.refused) == (None, "it falls", True)


def test_a_machine_without_its_emulator_does_not_stop_the_others(
    pristine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def python_of(name: str, *_: object) -> Path:
        if name != machines.THIS_MACHINE:
            raise ParityError("qemu-aarch64 was not found")
        return Path(sys.executable)

    monkeypatch.setattr(machines, "python_of", python_of)
    found = dict(machines.prove([pristine], ["NEON", machines.THIS_MACHINE], ["1.32"], tmp_path))
    problems = {name: one.problem for name, one in found.items()}
    assert problems == {"NEON": "qemu-aarch64 was not found", machines.THIS_MACHINE: ""}


def test_every_kind_of_processor_is_there() -> None:
    assert list(MACHINES) == ["this machine", "AVX2", "AVX", "SSE", "NEON", "SVE", "SME"]
