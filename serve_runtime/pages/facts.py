"""What a bundle holds and whether its files belong together: what a page of it is made of."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from serve_runtime.bundle.manifest import (
    CERTIFICATE,
    CERTIFICATE_VERSION,
    MANIFEST,
    FileEntry,
    Manifest,
    read_bytes,
)
from serve_runtime.bundle.model_file import (
    MODEL_BYTES,
    MODEL_FILES,
    ModelFile,
    parse_model,
    read_models,
)
from serve_runtime.bundle.sealed_json import unseal
from serve_runtime.errors import ArtifactError, CardError

_VERSIONS: Final = (CERTIFICATE_VERSION, 2)
"""Of certificates; in what a page shows of them, the older one is the same."""


@dataclass(frozen=True)
class FileFact:
    """A file of a bundle."""

    name: str
    found: FileEntry | None
    """Its size and digest; None where it cannot be read."""
    check: str
    """In words, what it was compared with and how that ended."""


@dataclass(frozen=True, eq=False)  # models have arrays
class Facts:
    """What is known of a bundle, or of a model file alone."""

    name: str
    """Of its folder or file."""
    model: ModelFile | None
    """None where no model file can be read."""
    files: tuple[FileFact, ...]
    certificate: Mapping[str, Any] | None
    """parity.json; None where there is none, or it is damaged."""
    problems: tuple[str, ...]
    """What does not match, in words."""


def read_facts(location: str) -> Facts:
    """What is known of the bundle, or the model file, at `location`.

    Files that do not match are told as `problems`. Raises ArtifactError or CardError where
    `location` is neither a bundle nor a model file.
    """
    folder = Path(location)
    name = folder.absolute().name
    if not (folder / MANIFEST).is_file():
        model = read_models(location)[0]  # or the error that says why there is none
        fact = FileFact(name, FileEntry.of(model.content), "its card and its graph fit")
        return Facts(name, model, (fact,), None, ())
    problems = list[str]()
    try:
        manifest = Manifest.read(folder).files
    except ArtifactError as reason:
        problems.append(str(reason))
        manifest = {}
    certificate = _certificate(folder, problems)
    files = tuple(_files(folder, manifest, certificate, problems))
    return Facts(name, _model(folder, problems), files, certificate, tuple(problems))


def _certificate(folder: Path, problems: list[str]) -> Mapping[str, Any] | None:
    path = folder / CERTIFICATE
    if not path.exists():
        return None
    told = ""
    for version in _VERSIONS:
        try:
            text = read_bytes(path, MODEL_BYTES).decode("utf-8", errors="replace")
            return unseal(text, what=str(path), version=version, error=ArtifactError, indent=1)
        except ArtifactError as reason:
            told = told or str(reason)
    problems.append(told)
    return None


def _files(
    folder: Path,
    manifest: Mapping[str, FileEntry],
    certificate: Mapping[str, Any] | None,
    problems: list[str],
) -> Iterator[FileFact]:
    """The files of the bundle; adds to `problems` what does not match."""
    proven = certificate.get("files") if certificate is not None else None
    proven = proven if isinstance(proven, dict) else {}
    names = manifest or [*MODEL_FILES.values(), CERTIFICATE]
    for name in sorted(set(names) | proven.keys()):
        try:
            found = FileEntry.of(read_bytes(folder / name))
        except ArtifactError as reason:
            problems.append(str(reason))
            yield FileFact(name, None, "cannot be read")
            continue
        odd = []
        if name in manifest and manifest[name] != found:
            odd.append(MANIFEST)
        if name in proven and proven[name] != found.sha256:
            odd.append(CERTIFICATE)
        if odd:
            problems.append(
                f"{name} is not the file that was exported: {' and '.join(odd)} "
                f"{'tells' if len(odd) == 1 else 'tell'} another digest or size. Restore the file, "
                "or export again."
            )
            yield FileFact(name, found, f"differs from {' and '.join(odd)}")
        else:
            known = [MANIFEST] * (name in manifest) + [CERTIFICATE] * (name in proven)
            check = f"as {' and '.join(known)} {'says' if len(known) == 1 else 'say'}"
            yield FileFact(name, found, check if known else "nothing to compare it with")


def _model(folder: Path, problems: list[str]) -> ModelFile | None:
    """The model of the bundle, of whichever file has it; adds to `problems` why not of both."""
    try:
        return read_models(folder)[0]
    except (ArtifactError, CardError) as reason:
        told = str(reason)
    for name in MODEL_FILES.values():
        try:
            path = folder / name
            found = parse_model(path, read_bytes(path, MODEL_BYTES))
        except (ArtifactError, CardError) as reason:
            told = str(reason)
            continue
        if not problems:
            problems.append(told)
        return found
    problems.append(told)
    return None
