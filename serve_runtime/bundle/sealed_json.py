"""JSON documents that carry their own digest, so that a changed byte is noticed.

A sealed document is canonical JSON (sorted keys, ASCII, no NaN) with a format version and, under
`sha256`, the digest of the same document without that key. Cards, manifests and parity.json are
sealed. That shows damage and careless edits; it is no signature: whoever can rewrite the document
can also compute its digest.
"""

import json
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

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


__all__ = ["digest", "seal", "sha256", "unseal"]

_SEAL = "sha256"


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
        document = json.loads(text)
    except (ValueError, RecursionError) as reason:
        raise error(
            f"{what} is not valid JSON ({reason}): it was truncated or altered; {remedy}"
        ) from None
    if not isinstance(document, dict) or "format_version" not in document:
        raise error(f"{what} has no format_version: it was not written by this project")
    found = document["format_version"]
    if found != version or isinstance(found, bool):
        raise error(
            f"{what} has format version {found!r}, this installation reads version {version}: "
            f"use the serve-runtime that matches, or {remedy}"
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
