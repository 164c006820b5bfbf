"""Asks questions, prints the answers, keeps the page of results."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from benchmarks import page
from benchmarks.answers import Answer, targets_on
from benchmarks.workshop import FULL, QUICK, Scale, Workshop

_TARGETS, _MACHINE = "targets", "machine"


@dataclass(frozen=True)
class Question:
    """A section of a page."""

    title: str
    answer: Callable[[Workshop], Answer]


@dataclass(frozen=True)
class Questions:
    """What stands on a page of results."""

    page: Path
    introduction: str
    """In Markdown."""
    by_name: Mapping[str, Question]

    def ask(self, names: Sequence[str], scale: Scale, results: Path) -> None:
        """Answer the questions `names`, print each answer, and put it into the page `results`."""
        text = results.read_text(encoding="utf-8") if results.exists() else self._new_page()
        with TemporaryDirectory() as folder:
            shop = Workshop(Path(folder), scale, results.with_suffix(".svg"))
            for name in names:
                start = time.perf_counter()
                click.secho(f"\n{self.by_name[name].title}\n", bold=True)
                answer = self.by_name[name].answer(shop)
                seconds = time.perf_counter() - start
                made = f"Asked on {date.today().isoformat()}, for {seconds:.0f} s."
                click.echo(f"{answer.text()}\n\n{made}")
                others = page.replace(text, _TARGETS, "")
                text = page.replace(others, name, f"{answer.markdown()}\n\n{made}")
                text = page.replace(text, _TARGETS, targets_on(text).markdown())
                text = page.replace(text, _MACHINE, page.machine())
                results.write_text(text, encoding="utf-8")

    def command(self, about: str) -> click.Command:
        """The command that asks them."""

        @click.command(help=about)
        @click.option(
            "--only", multiple=True, type=click.Choice(list(self.by_name)), help="These questions."
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
            names = only or tuple(self.by_name)
            if quick and results is None:
                with TemporaryDirectory() as folder:
                    self.ask(names, QUICK, Path(folder) / self.page.name)
            else:
                self.ask(names, QUICK if quick else FULL, results or self.page)

        return main

    def _new_page(self) -> str:
        titles = {_TARGETS: "Targets", _MACHINE: "The machine"}
        titles |= {name: question.title for name, question in self.by_name.items()}
        return page.new(self.introduction, titles)
