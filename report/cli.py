"""The command line of the report."""

from pathlib import Path

import click

from serve_runtime.commands.errors import CommandLine, command_errors
from serve_runtime.commands.signals import exit_on_signals
from serve_runtime.commands.start import loading
from serve_runtime.commands.terminal import echo
from serve_runtime.errors import ServeError


@click.command(cls=CommandLine, context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("bundle", type=click.Path(path_type=Path), required=False)
@click.option(
    "-o",
    "--output",
    default="report.html",
    show_default=True,
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="The page, '-' for standard output; one that exists is replaced, a folder that is not "
    "there is made.",
)
def main(run: Path, bundle: Path | None, output: Path) -> None:
    """Write a page about RUN, a folder that `python -m train` left: what was trained on what, how
    good it is, what drives it; with BUNDLE, what is proven of the files and how to call them.

    The page is one file that needs nothing else, to open in a browser, send or print. Exit 1 if
    BUNDLE is not what was proven, or is of another run; the page says so at the top.

    \b
    Examples:
      python -m report runs/churn
      python -m report runs/churn bundles/churn -o churn.html
    """
    with command_errors():
        with loading():
            from report.document import document
            from report.read import read_source
            from serve_runtime.outputs.direct import is_stdout
            from serve_runtime.outputs.page import write_page
            from serve_runtime.outputs.writing import writing

        with exit_on_signals():
            source = read_source(run, bundle)
            content = document(source).encode()
            with writing(output):
                output.parent.mkdir(parents=True, exist_ok=True)
            write_page(output, content, notice=lambda line: echo(line, err=True))
        size = f"{len(content) / 1000:,.0f} kB"
        echo(f"report: {output}  ({size}), to open in a browser", err=is_stdout(output))
        if source.bundle and source.bundle.problem:
            raise ServeError(f"{source.bundle.problem}\n{output} says so at its top")
