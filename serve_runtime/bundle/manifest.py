"""MANIFEST.json: the files of a bundle with their sizes and digests, and files read whole.

The bytes that are hashed are the bytes that are returned; nothing is read a second time."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from serve_runtime.bundle.sealed_json import seal, sha256, unseal
from serve_runtime.errors import ArtifactError

StrPath = str | os.PathLike[str]
"""Joined by os.path here: to load pathlib takes 4 ms that numpy and onnxruntime do without."""

MANIFEST: Final = "MANIFEST.json"
MANIFEST_VERSION: Final = 1

CERTIFICATE: Final = "parity.json"
"""The file of a bundle that holds the certificate: what was proven of which files."""
CERTIFICATE_VERSION: Final = 3

MANIFEST_BYTES: Final = 1 << 20
"""Most bytes of a manifest; those that export writes have less than 2,000."""


@dataclass(frozen=True)
class FileEntry:
    """What a manifest says of one file."""

    sha256: str
    size: int

    @classmethod
    def of(cls, content: bytes) -> FileEntry:
        """The entry that describes `content`."""
        return cls(sha256(content).hexdigest(), len(content))


@dataclass(frozen=True)
class Manifest:
    """Every file of a bundle with its size and digest, and the versions that wrote them."""

    files: Mapping[str, FileEntry]
    versions: Mapping[str, str]

    def to_json(self) -> str:
        """The manifest as sealed JSON."""
        files = {name: vars(entry) for name, entry in self.files.items()}
        document = {"files": files, "versions": self.versions, "format_version": MANIFEST_VERSION}
        return seal(document, indent=1)

    @classmethod
    def read(cls, bundle: StrPath) -> Manifest:
        """The manifest of the folder `bundle`. Raises ArtifactError unless it is intact."""
        path = os.path.join(bundle, MANIFEST)
        return cls.parse(path, read_bytes(path, MANIFEST_BYTES))

    @classmethod
    def parse(cls, path: str, content: bytes) -> Manifest:
        """The manifest that the file `path` holds. Raises ArtifactError unless it is intact."""
        text = content.decode("utf-8", errors="replace")
        document = unseal(text, what=path, version=MANIFEST_VERSION, error=ArtifactError, indent=1)
        try:
            files = {name: FileEntry(**entry) for name, entry in document["files"].items()}
            versions = document["versions"]
        except (AttributeError, KeyError, TypeError):
            raise ArtifactError(f"{path} lists no files: it is no manifest of a bundle") from None
        values = [value for entry in files.values() for value in (entry.sha256, entry.size)]
        if not isinstance(versions, dict) or [type(v) for v in values] != [str, int] * len(files):
            raise ArtifactError(f"{path} lists no digests: it is no manifest of a bundle")
        return cls(files, versions)

    def read_file(self, bundle: StrPath, name: str, most: int | None = None) -> bytes:
        """The bytes of one file of the bundle, proven to be those the manifest describes."""
        content = read_bytes(os.path.join(bundle, name), most)
        self.check(bundle, name, content)
        return content

    def check(self, bundle: StrPath, name: str, content: bytes) -> None:
        """Raise ArtifactError unless `content` are the bytes of the file `name` of the bundle."""
        path = os.path.join(bundle, name)
        if name not in self.files:
            raise ArtifactError(f"{path} is not in {os.path.join(bundle, MANIFEST)}: export again")
        found, stated = FileEntry.of(content), self.files[name]
        if found != stated:
            raise ArtifactError(
                f"{path} is not the file that was exported: {MANIFEST} says "
                f"{stated.size} bytes, sha256 {stated.sha256[:12]}…, the file has {found.size} "
                f"bytes, sha256 {found.sha256[:12]}…; export again or restore the file"
            )


def read_bytes(path: StrPath, most: int | None = None) -> bytes:
    """All bytes of a plain file, of `most` bytes if that is given.

    ArtifactError with the reason where it is larger, which is seen before it is read; where it is
    a pipe or a device, which might never end; and where it cannot be read.
    """
    try:
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ArtifactError(f"cannot read {path}: it must be a plain file; it is none")
            if most is not None and status.st_size > most:
                raise ArtifactError(
                    f"cannot read {path}: it must have at most {most:,} bytes; it has "
                    f"{status.st_size:,}: it was not written by `python -m export bundle`"
                )
            return file.read(status.st_size)
    except OSError as reason:
        raise ArtifactError(f"cannot read {path}: {reason.strerror or reason}") from None


def _open_at_once(path: str, flags: int) -> int:
    """Open a file without waiting: without O_NONBLOCK, opening a FIFO waits for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
