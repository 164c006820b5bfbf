"""docs/api.md and docs/bundle-format.md name what there is, all of it."""

import re
from dataclasses import fields

import pytest

import serve_runtime
from pipeline.docs.documented import blocks, read_page
from serve_runtime import ModelCard, Predictor, SelfTest, errors

API = read_page("docs/api.md")


def rows(heading: str) -> str:
    """The section of docs/api.md under a heading, up to the next one of any level."""
    return re.split(r"^#+ ", API.split(f"# {heading}\n")[1], flags=re.M)[0]


def test_every_public_name_is_documented() -> None:
    assert [name for name in serve_runtime.__all__ if name not in API] == []


def test_everything_public_of_a_predictor_is_documented() -> None:
    public = {name for name in dir(Predictor) if not name.startswith("_")}
    section = rows("Predictor")
    documented = set(re.findall(r"^\| `(\w+)[(`]", section, re.M))
    assert documented - {"model", "threads", "providers"} == public


@pytest.mark.parametrize(("kind", "heading"), [(ModelCard, "The model card"),
                                               (SelfTest, "SelfTest")])  # fmt: skip
def test_every_field_is_documented(kind: type, heading: str) -> None:
    cells = "".join(re.findall(r"^\|([^|]+)\|", rows(heading), re.M))
    assert set(re.findall(r"`(\w+)`", cells)) == {field.name for field in fields(kind)}


def test_the_drawing_of_the_errors_is_their_tree() -> None:
    (drawing,) = (b.text for b in blocks("docs/api.md") if b.text.startswith("ServeError"))
    drawn = []
    for line in drawing.splitlines():
        found = re.match(r"(?P<branch>[│├└─ ]*)(?P<name>\w+)( \((?P<base>\w+)\))?", line)
        assert found, line
        drawn.append((len(found["branch"]) // 4, found["name"], found["base"]))
    assert drawn == list(tree(errors.ServeError, 0))


def tree(kind: type, depth: int) -> list[tuple[int, str, str | None]]:
    """Each error below `kind`, and itself: its depth, its name, and the builtin that it also is."""
    builtin = next(
        (base.__name__ for base in kind.__bases__ if base.__module__ == "builtins"), None
    )
    below = [sub for sub in kind.__subclasses__() if sub.__module__ == errors.__name__]
    children = [line for sub in sorted(below, key=lambda sub: sub.__name__)
                for line in tree(sub, depth + 1)]  # fmt: skip
    return [(depth, kind.__name__, builtin), *children]
