import pytest

from light.commands.running import invoke, run_command
from light.helpers import TINY
from serve_runtime.cli import main

COMMANDS = ["score", "evaluate", "explain", "inspect", "selftest"]


@pytest.mark.parametrize("flag", ["--help", "-h"])
@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(command, flag):
    result = invoke(command, flag)
    assert result.exit_code == 0
    assert f"Usage: main {command} [OPTIONS] BUNDLE" in result.output
    assert f"serve-runtime {command} bundles/churn" in result.output


def test_the_help_lists_every_command():
    result = invoke("--help")
    assert result.exit_code == 0
    assert set(main.commands) == set(COMMANDS)
    assert all(f"  {command} " in result.output for command in COMMANDS)


def test_the_help_shows_whole_summaries_at_80_columns():
    result = invoke("--help", terminal_width=80)
    listed = result.output.partition("Commands:\n")[2].splitlines()
    assert len(listed) == len(COMMANDS)
    assert all(line.endswith(".") and not line.endswith("...") for line in listed)


def test_the_version_names_the_command():
    result = invoke("--version")
    assert (result.exit_code, result.output.split(",")[0]) == (0, "serve-runtime")


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["score"],
        ["score", TINY, "in.csv"],
        ["score", TINY, "in.csv", "-o", "out.csv", "--threads", "0"],
        ["score", TINY, "in.csv", "-o", "out.csv", "--threads", "all"],
        ["score", TINY, "in.csv", "-o", "out.csv", "--keep", '"a'],
        ["score", TINY, "in.csv", "-o", "out", "--parts", "xlsx"],
        ["score", TINY, "in.csv", "-o", "out.csv", "--no-such-option"],
        ["inspect"],
        ["selftest", TINY, "more"],
    ],
)
def test_a_wrong_command_line_exits_with_2(arguments):
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert "Usage: main" in result.output


def test_the_module_is_the_command(tmp_path):
    result = run_command("--help", cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("Usage: serve-runtime [OPTIONS] COMMAND")
