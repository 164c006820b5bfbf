"""The page of results, in Markdown: sections between markers, which are replaced one by one.

A section lies between `<!-- figures: NAME -->` and `<!-- end -->`; text outside is kept.
"""

import os
import platform
import re
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import click

_LIBRARIES = (
    "numpy", "onnxruntime", "pyarrow", "torch", "numba", "onnxscript", "scikit-learn", "skl2onnx",
    "pandas",
    "polars",
)  # fmt: skip


def new_page(introduction: str, titles: Mapping[str, str]) -> str:
    """A page with an empty section for each name of `titles`, under its title."""
    sections = (
        f"## {title}\n\n<!-- figures: {name} -->\n<!-- end -->\n" for name, title in titles.items()
    )
    return "\n".join([introduction, *sections])


def replace_section(page: str, name: str, content: str) -> str:
    """The page with `content` between the markers of section `name`.

    ClickException: the page has no such section, or two.
    """
    pattern = rf"(<!-- figures: {name} -->\n)(?:.*?\n)??(<!-- end -->)"
    result, found = re.subn(pattern, lambda m: f"{m[1]}{content}\n{m[2]}", page, flags=re.DOTALL)
    if found != 1:
        raise click.ClickException(
            f"the page has {found} sections {name!r}; required: one. Remove the page to have it "
            "made anew"
        )
    return result


def machine() -> str:
    """Processor, cores, memory, system and library versions; no host name, no path."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = [
        f"{_processor()}, {os.cpu_count()} cores",
        f"{memory:.0f} GiB of memory",
        f"{platform.system()} {platform.machine()}",
        f"Python {platform.python_version()}",
        *(f"{name} {version(name)}" for name in _LIBRARIES),
    ]
    return ", ".join(found) + "."


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = re.findall(r"^model name\s*:\s*(.+)$", text, flags=re.MULTILINE)
    widths = [name for name in ("avx512f", "avx2") if f" {name} " in text]
    return f"{names[0] if names else platform.machine()} ({', '.join(widths[:1]) or 'no AVX2'})"
