import click
import pytest

from benchmarks.harness.processes import run_python


def test_a_process_that_fails_says_why() -> None:
    with pytest.raises(click.ClickException, match=r"(?s)ended with 1.*no such luck"):
        run_python("-c", "raise SystemExit('no such luck')")
