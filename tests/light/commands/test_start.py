"""Ctrl-C while a program loads what it needs."""

import signal
import subprocess
import sys

import pytest

from light.helpers import TINY
from serve_runtime.commands.start import loading

INTERRUPT = """
import os, signal, time
os.kill(os.getpid(), signal.SIGINT)
try:
    time.sleep(5)
except BaseException as reason:
    raise ImportError("swallowed") from reason
"""


@pytest.fixture
def interrupted(tmp_path):
    """Run a program in which the import of `library` is interrupted."""

    def run(library, *arguments, before=""):
        (tmp_path / f"{library}.py").write_text(INTERRUPT)
        code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); {before}\n"
        code += (
            "import runpy; runpy.run_module(sys.argv.pop(1), run_name='__main__', alter_sys=True)"
        )
        return subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run


@pytest.mark.parametrize("library", ["click", "onnxruntime", "numpy"])
@pytest.mark.parametrize(
    "arguments", [["inspect", TINY], ["selftest", TINY], ["score", TINY, "-", "-o", "-"]]
)
def test_an_interrupt_while_loading_ends_in_silence(interrupted, library, arguments):
    done = interrupted(library, "serve_runtime", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_an_ignored_interrupt_stays_ignored(interrupted):
    before = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)"
    done = interrupted("tomllib", "serve_runtime", "--help", before=before)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_handler_of_a_host_program_stays():
    def own(number, frame):
        raise AssertionError

    before = signal.signal(signal.SIGINT, own)
    try:
        with loading():
            assert signal.getsignal(signal.SIGINT) is own
    finally:
        signal.signal(signal.SIGINT, before)


def test_after_loading_an_interrupt_is_an_exception_again():
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    with loading():
        assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
    with pytest.raises(KeyboardInterrupt, match=r"^$"):
        signal.raise_signal(signal.SIGINT)
