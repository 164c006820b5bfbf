"""The files of the bundle, and how to call them from different places."""

import shlex
from collections.abc import Iterator, Mapping
from typing import Any, Final

from report.page import render
from report.section import Section
from report.source import Source
from serve_runtime.features.column import CATEGORY, Column
from serve_runtime.shown import printable

_MEANINGS: Final = {
    "model.onnx": "ONNX, rows: the model for onnxruntime, in any language",
    "model.columnar.onnx": "ONNX, columns: faster where data lies column by column",
    "model.torchscript.pt": "TorchScript: for libtorch and torch.jit.load",
    "model.pt2": "torch.export: for torch.export.load",
    "parity.json": "the certificate: what was proven, on which rows",
    "MANIFEST.json": "size and SHA-256 of each file, versions",
}
_MOST_COLUMNS: Final = 12
"""Of a row that is written out."""


def section(source: Source) -> Section:
    """Files with sizes, and blocks to copy."""
    bundle = source.bundle
    path = str(bundle.folder) if bundle else f"bundles/{source.folder.resolve().name}"
    files = bundle.files if bundle else {}
    body = render(
        "files.html.j2",
        bundle=bundle,
        files=[(name, _MEANINGS.get(name, "not part of a bundle"), size)
               for name, size in sorted(files.items(), key=_order)],
        total=sum(files.values()),
        path=path,
        shell=_shell(path),
        run=_shell(str(source.folder)),
        model=_shell(f"{path}/model.onnx"),
        row=dict(_row(source)) if len(source.card.columns) <= _MOST_COLUMNS else None,
        positive=source.card.classes[1],
    )  # fmt: skip
    return Section("files", "Files, and how to call them", body)


def _order(file: tuple[str, int]) -> tuple[int, str]:
    names = list(_MEANINGS)
    return (names.index(file[0]) if file[0] in names else len(names), file[0])


def _shell(path: str) -> str:
    return shlex.quote(printable(path))


def _row(source: Source) -> Iterator[tuple[str, Any]]:
    """A made-up row, as a program passes it: of each column the most frequent level, or a number
    where most rows lie."""
    for column in source.card.columns:
        yield column.name, _value(column, source.column_profiles.get(column.name))


def _value(column: Column, profile: Mapping[str, Any] | None) -> Any:
    if column.kind == CATEGORY:
        ranked = sorted(zip(column.counts, column.levels, strict=True), reverse=True)
        return ranked[0][1] if ranked else None
    if profile and any(profile["counts"]):
        place = profile["counts"].index(max(profile["counts"]))
        low, high = profile["edges"][place : place + 2]
    else:
        low, high = column.low or 0.0, column.high or 0.0
    middle = low / 2 + high / 2
    rounded = float(f"{middle:.9g}" if column.time else f"{middle:.4g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
