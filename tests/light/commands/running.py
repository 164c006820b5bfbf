"""How tests run the command, in this process or in one of its own."""

import subprocess
import sys

from click.testing import CliRunner

from serve_runtime.cli import main

TABLE = "id,x1,x2\n007,1,2\n008,6,3\n"


def invoke(*arguments, **options):
    return CliRunner().invoke(main, [str(argument) for argument in arguments], **options)


def run_command(*arguments, cwd, prefix=""):
    """The command in a process of its own; `prefix` is what the shell does to its streams."""
    command = [sys.executable, "-m", "serve_runtime", *map(str, arguments)]
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {prefix}', "sh", *command],
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
