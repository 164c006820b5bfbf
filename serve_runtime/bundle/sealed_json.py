"""JSON documents that carry their own digest, so that a changed byte is noticed.

A sealed document is canonical JSON (sorted keys, ASCII, no NaN) with a format version and, under
`sha256`, the digest of the same document without that key. Cards, manifests and parity.json are
sealed. That shows damage and careless edits; it is no signature: whoever can rewrite the document
can also compute its digest.
"""

import json
import re
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from serve_runtime.shown import quoted

if TYPE_CHECKING:
    from hashlib import sha256
else:
    # hashlib loads OpenSSL, which takes 3 ms and 3.6 MB that numpy and onnxruntime do without, to
    # hash a few kilobytes. The standard library's random module avoids it in the same way.
    try:
        if sys.version_info >= (3, 12):
            from _sha2 import sha256
        else:
            from _sha256 import sha256
    except ImportError:  # an interpreter built without its own hashes
        from hashlib import sha256


__all__ = ["digest", "parse", "seal", "sha256", "unseal"]

_SEAL: Final = "sha256"

_DEPTH: Final = 64
"""Brackets inside of brackets. Ours have 5; a recipe, which a card holds, may have some more."""
_DIGITS: Final = 1000
"""Of an integer; float64 has 309 before the point, and Python reads many more ever slower."""

_TEXT_OR_BRACKET: Final = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
"""As JSON writes half a character beyond 2¹⁶; UTF-8 holds only whole ones."""


def _dump(document: Mapping[str, Any], indent: int | None) -> str:
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(
        document, sort_keys=True, allow_nan=False, indent=indent, separators=separators
    )


def digest(document: Mapping[str, Any]) -> str:
    """The SHA-256 that `seal` adds to `document`, in hexadecimal. Raises ValueError on NaN."""
    return sha256(_dump(document, None).encode()).hexdigest()


def seal(document: Mapping[str, Any], *, indent: int | None = None) -> str:
    """Canonical JSON text of `document`, with its own digest added. Raises ValueError on NaN."""
    return _dump({**document, _SEAL: digest(document)}, indent)


def unseal(
    text: str,
    *,
    what: str,
    version: int,
    error: type[Exception],
    remedy: str = "export again",
    indent: int | None = None,
) -> dict[str, Any]:
    """The document in `text`, proven to be the very text that `seal` wrote.

    `what` names the document in messages ("card", "runs/a/MANIFEST.json"); `version` is the only
    `format_version` accepted; `error` is raised on anything else, with what to do as `remedy`.
    """
    try:
        document = parse(text)
    except ValueError as reason:
        raise error(
            f"{what} is not valid JSON ({reason}): it was truncated or altered; {remedy}"
        ) from None
    if not isinstance(document, dict) or "format_version" not in document:
        raise error(f"{what} has no format_version: it was not written by this project")
    found = document["format_version"]
    if type(found) is not int or found != version:
        raise error(
            f"{what} has format version {quoted(found)}, this installation reads version "
            f"{version}: use the serve-runtime that matches, or {remedy}"
        )
    stated = document.pop(_SEAL, None)
    try:
        intact = seal(document, indent=indent) == text
    except ValueError:  # NaN or Infinity, which seal never writes
        intact = False
    if not intact:
        raise error(
            f"{what} was altered since it was written: its seal says {str(stated)[:12]}…, "
            f"its text gives another; {remedy}"
        )
    return document


def parse(text: str) -> Any:
    """The JSON value in `text`, from whatever source. Raises ValueError for anything else.

    Also for what the json module takes but no document of ours holds, or what would cost more than
    it is worth: brackets in brackets, which it reads by recursion; numbers of many digits; texts
    that UTF-8 cannot hold.
    """
    if _too_deep(text):
        raise ValueError(f"brackets inside of more than {_DEPTH} others")
    try:
        value = json.loads(text, parse_int=_integer)
    except RecursionError:  # the caller has used up the stack
        raise ValueError("no stack is left to read it") from None
    if _SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _too_deep(text: str) -> bool:
    """Whether brackets are nested deeper than _DEPTH. Those inside of texts do not count."""
    if text.count("[") + text.count("{") <= _DEPTH:
        return False
    depth = 0
    for token in _TEXT_OR_BRACKET.finditer(text):
        found = token[0]
        if found in "[{":
            depth += 1
        elif found in "]}":
            depth -= 1
        if depth > _DEPTH:
            return True
    return False


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS:
        raise ValueError(f"a number of {len(digits):,} digits")
    return int(digits)
