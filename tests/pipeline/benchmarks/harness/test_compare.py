"""Two checkouts timed in turns; nothing is asserted of a time."""

import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from benchmarks.harness import compare
from benchmarks.harness.processes import ROOT


@pytest.mark.parametrize(
    ("this", "verdict"),
    [(1.0, ""), (1.03, ""), (1.05, "slower"), (0.5, "")],
)
def test_slower_is_three_percent_beyond_noise(this: float, verdict: str) -> None:
    times = {"other": [1.0] * 9, "again": [1.0, 1.01, 0.99] * 3, "this": [this] * 9}
    assert compare.line("call", times) == (
        "call", "1,000", compare.digits(1e3 * this), f"{this:.3f}", "± 0.010", verdict,
    )  # fmt: skip


def test_spread_is_what_a_median_strays_by() -> None:
    assert compare.spread([1.0] * 5) == 0
    assert compare.spread([0.9, 1.1] * 20) == pytest.approx(0.1)


def test_this_checkout_beside_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    true, made = compare.Checkout.export, list[Path]()

    def export_once(checkout: compare.Checkout) -> None:
        """Both are the same checkout, whose bundles are the same."""
        if made:
            shutil.copytree(made[0], checkout.bundle)
            return
        true(checkout)
        made.append(checkout.bundle)

    monkeypatch.setattr(compare.Checkout, "export", export_once)
    monkeypatch.setattr(compare, "ROWS", dict.fromkeys(compare.ROWS, 1000))
    groups = {name: compare.GROUPS[name] for name in ("files", "start")}
    table = compare.compare(ROOT, groups, 1)
    assert [row[0] for row in table.rows] == [
        "score_file, .parquet, 1 thread",
        "score_file, .csv, 1 thread",
        "score_file, .parquet, 2 threads",
        "score_file, .csv, 2 threads",
        "process: import, load, first prediction",
    ]


def test_a_checkout_without_the_package_is_refused(tmp_path: Path) -> None:
    checkout = compare.Checkout(tmp_path, tmp_path / "bundle", tmp_path)
    with pytest.raises(click.ClickException, match=r"has no serve_runtime: .* was found"):
        checkout.export()


def test_other_has_to_be_a_folder() -> None:
    result = CliRunner().invoke(compare.main, ["nowhere"])
    assert result.exit_code == 2
    assert "Directory 'nowhere' does not exist" in result.output
