"""A benchmark suite: named sections, each measured on demand, printed and put on a page."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks.harness import page
from benchmarks.harness.context import FULL, QUICK, Context, Scale
from benchmarks.harness.result import Result, targets_on

_TARGETS, _MACHINE = "targets", "machine"
"""Two sections of every page that are made from the others and from the machine."""


@dataclass(frozen=True)
class Section:
    """A section of a page of results: its heading, and the function that measures it."""

    title: str
    measure: Callable[[Context], Result]


@dataclass(frozen=True)
class Suite:
    """All sections of one page of results."""

    page: Path
    """The Markdown file that is in the repository."""
    introduction: str
    """What stands at the top of the page, in Markdown."""
    sections: Mapping[str, Section]
    """By the name that `--only` takes, in the order of the page."""

    def run(self, names: Sequence[str], scale: Scale, results: Path) -> None:
        """Measure the sections `names`; print each result and put it into the page `results`.

        The page is made if it does not exist. It is written after each section, so that an
        interrupted run keeps what it measured.
        """
        text = results.read_text(encoding="utf-8") if results.exists() else self._new_page()
        with TemporaryDirectory() as folder:
            context = Context(Path(folder), scale, results.with_suffix(".svg"))
            for name in names:
                start = time.perf_counter()
                click.secho(f"\n{self.sections[name].title}\n", bold=True)
                result = self.sections[name].measure(context)
                seconds = time.perf_counter() - start
                made = f"Measured on {date.today().isoformat()}; took {seconds:.0f} s."
                click.echo(f"{result.text()}\n\n{made}")
                text = page.replace_section(text, _TARGETS, "")
                text = page.replace_section(text, name, f"{result.markdown()}\n\n{made}")
                text = page.replace_section(text, _TARGETS, targets_on(text).markdown())
                text = page.replace_section(text, _MACHINE, page.machine())
                results.write_text(text, encoding="utf-8")

    def command(self, about: str) -> click.Command:
        """The command line of this suite; `about` is the first line of its help."""

        @click.command(help=about)
        @click.option(
            "--only",
            multiple=True,
            type=click.Choice(list(self.sections)),
            help="This section; may be given several times.",
        )
        @click.option(
            "--quick", is_flag=True, help=f"Faster, less exact; leaves {self.page.name} alone."
        )
        @click.option(
            "--results",
            type=click.Path(dir_okay=False, path_type=Path),
            help="The page of results, made where it is not there; its picture lies beside it.",
        )
        def main(only: tuple[str, ...], quick: bool, results: Path | None) -> None:
            names = only or tuple(self.sections)
            if quick and results is None:
                with TemporaryDirectory() as folder:
                    self.run(names, QUICK, Path(folder) / self.page.name)
            else:
                self.run(names, QUICK if quick else FULL, results or self.page)

        return main

    def _new_page(self) -> str:
        titles = {_TARGETS: "Targets", _MACHINE: "The machine"}
        titles |= {name: section.title for name, section in self.sections.items()}
        return page.new_page(self.introduction, titles)
