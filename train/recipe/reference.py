"""`python -m train.recipe.reference`: every key of a recipe, as Markdown for docs/recipe.md."""

from inspect import cleandoc

from train.recipe.key_declaration import Key, keys_of
from train.recipe.recipe import SECTIONS

BEGIN = "<!-- begin: python -m train.recipe.reference -->"
END = "<!-- end: python -m train.recipe.reference -->"
"""The lines of docs/recipe.md between which the reference stands."""


def reference() -> str:
    """A heading and a table for each section, one line for each key."""
    return "\n".join(line for name, kind in SECTIONS.items() for line in _section(name, kind))


def _section(name: str, kind: type) -> list[str]:
    about = cleandoc(kind.__doc__ or "")
    head = ["| key | what it is | must be | default | option |", "|---|---|---|---|---|"]
    rows = [_row(key, declared) for key, declared in keys_of(kind).items()]
    return [f"## [{name}]", "", about, "", *head, *rows, ""]


def _row(name: str, declared: Key) -> str:
    about = f"{declared.help} {declared.more}".strip()
    option = f"`{declared.flag}`" if declared.flag else ""
    cells = (f"`{name}`", about, declared.wanted, declared.default, option)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    print(reference())
