"""What is said of an object that cannot be read as rows, whatever it does when it is asked."""

from collections.abc import Sequence
from typing import Any, Final

from serve_runtime.errors import InputError
from serve_runtime.shown import listed, quoted, shortened

_SHOWN: Final = 200
"""Most characters of another library's error that a message repeats, in one line."""

_FILE: Final = "read the file into a table first, or use score_file"
_REMEDIES: Final = (
    ("collect", "it is a query that has not run: pass x.collect()"),
    ("toarray", "it is sparse: pass x.toarray()"),
    ("todense", "it is sparse: pass x.todense()"),
    ("read_all", "it gives each row only once: pass x.read_all()"),
    ("readline", _FILE),
    ("__fspath__", _FILE),
    ("__next__", "it gives each row only once: pass list(x)"),
)
"""An attribute of a class, and what to do with an object that has it; the first one counts."""


def type_name(x: Any) -> str:
    """The name of the class of `x`, whatever its metaclass answers."""
    name: str = type.__dict__["__name__"].__get__(type(x))
    return name


def described(x: Any) -> str:
    """The class of `x`, and what to do with it where that is known: what was got, for a message."""
    return ": ".join(filter(None, (f"a {type_name(x)}", remedy(x))))


def refuse_deferred(x: Any) -> None:
    """Raise InputError where `x` is a query that has not run, or a sparse matrix.

    Asked first: some of them have columns, or keys, but no values that could be read.
    """
    kind = type(x)
    if hasattr(kind, "collect") or hasattr(kind, "toarray"):
        raise InputError(f"x must hold its values in memory; got {described(x)}")


def check_lengths(
    columns: Sequence[Any], names: Sequence[str], shapes: Sequence[tuple[int, ...]]
) -> None:
    """Raise InputError unless all `columns`, which have these names and shapes, have one dimension
    and are equally long."""
    if len(set(shapes)) == 1 and len(shapes[0]) == 1:  # the usual case
        return
    for column, name, shape in zip(columns, names, shapes, strict=True):
        if not shape:
            raise InputError(
                f"feature {quoted(name)} must be a column of values; got {described(column)}"
            )
    if any(len(shape) != 1 or shape != shapes[0] for shape in shapes):
        found = [
            (name, shape[0] if len(shape) == 1 else shape)
            for name, shape in zip(names, shapes, strict=True)
        ]
        shown = listed(found, show=lambda pair: f"{quoted(pair[0])}: {pair[1]}")
        raise InputError(f"columns must be one-dimensional and of equal length; got {shown}")


def remedy(x: Any) -> str:
    """How to make rows of `x`; an empty text where its class does not tell."""
    try:
        if isinstance(x, type):
            return "it is a class: pass an object"
        for attribute, advice in _REMEDIES:
            if hasattr(type(x), attribute):
                return advice
        if hasattr(type(x), "__iter__") and not hasattr(type(x), "__getitem__"):
            return "pass list(x)"
        on_cpu = x.device.type == "cpu"  # a tensor
        calls = ".detach()" * x.requires_grad + ".cpu()" * (not on_cpu)
        return calls and f"pass x{calls}"
    except Exception:
        return ""


def unreadable(x: Any, reason: Exception, what: str = "x", at: str = "") -> InputError:
    """The error for an object that raised `reason` while it was read: `what`, or the value in the
    cell `at` of it."""
    try:
        said = shortened(" ".join(str(reason).split()), _SHOWN)
    except Exception:  # an error that cannot say what it is either
        said = ""
    raised = f"reading a {type_name(x)}{at and f' in {at}'} raised {type_name(reason)}"
    message = ": ".join(filter(None, (f"{what} must be numeric; {raised}", said)))
    held = x if type(x) in (list, tuple) else x.values() if type(x) is dict else ()
    advice = next(filter(None, map(remedy, (x, *held))), "")
    return InputError("; ".join(filter(None, (message, advice))))
