"""The contract of the sigmoid: right, and never falling, from each float32 logit to the next.

Some processors' kernels fall between neighbouring logits, in so few places that no sample of
logits finds one. So windows of consecutive logits go through what a Predictor serves with: the
Predictor of one feature, weight 1 and bias 0, whose logits are its values.
"""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np

from export.errors import ParityError
from export.parity.contracts.in_layout import LayoutPredictor, require_sigmoid, same_bits
from export.parity.scorers import THREADS
from export.sigmoid.spans import IDENTITY, float32_at, ranks_of
from serve_runtime.arrays import Float32
from serve_runtime.bundle.card import ModelCard
from serve_runtime.bundle.manifest import FileEntry
from serve_runtime.bundle.model_file import MODEL_FILES, card_field
from serve_runtime.bundle.onnx_graph import write_model
from serve_runtime.features.column import number_columns
from serve_runtime.predictor import Predictor

WINDOW: Final = 1 << 20
"""Consecutive logits in a window."""

WINDOWS: Final = (-17.33, -1.0, 0.5)
"""Logits in the middle of the windows of every proof. P(negative) is tried on the same logits
negated. Kernels of ARM have fallen around -17, in [-2, -0.25] and in [0.06, 1]."""

FURTHER_WINDOWS: Final = (-8.0, -1.7, -0.6, -0.27, 0.0, 0.07, 0.13, 0.9, 4.0, 88.0, 104.0)
"""Those that are tried besides where a bundle is verified, or proven on another machine."""


def rising_from_logit_to_logit(windows: tuple[float, ...] = WINDOWS) -> int:
    """Try windows of WINDOW consecutive logits around each of `windows`, in both layouts.

    P(positive), and P(negative) by the negated logit, are in [0, 1], within PROBABILITY_ULP of the
    exact sigmoid, and do not fall. Returns how many logits were scored. Raises ParityError naming
    the file, the number of threads and the logit.
    """
    shown = 0
    with TemporaryDirectory() as folder:
        predictors = [
            LayoutPredictor(layout, Predictor(path, threads=threads), threads)
            for layout, path in _write_identity(Path(folder)).items()
            for threads in (1, THREADS)
        ]
    for middle in windows:
        start = int(ranks_of(np.array([middle], np.float32))[0]) - WINDOW // 2
        logit = float32_at(np.arange(start, start + WINDOW))
        judged: list[Float32] = []
        for predictor in predictors:
            _require_window(predictor, logit, judged)
            shown += len(logit)
    return shown


def _write_identity(folder: Path) -> dict[str, Path]:
    """Both ONNX files of the model whose logit is its one feature, by their layout."""
    graphs = {layout: write_model(IDENTITY, layout) for layout in MODEL_FILES}
    card = ModelCard(
        number_columns(("logit",), (-104.0,), (104.0,)),
        (0, 1),
        IDENTITY.sha256(),
        graph_sha256={layout: FileEntry.of(graph).sha256 for layout, graph in graphs.items()},
    )
    paths = {layout: folder / name for layout, name in MODEL_FILES.items()}
    for layout, path in paths.items():
        path.write_bytes(graphs[layout] + card_field(card.to_json()))
    return paths


def _require_window(predictor: LayoutPredictor, logit: Float32, judged: list[Float32]) -> None:
    """Score a window of logits (n,) and judge it, unless these very bits are among `judged`."""
    x = predictor.in_layout(logit[:, None])
    name = f"the sigmoid of {MODEL_FILES[predictor.layout]} {predictor.where}"
    given, probability = predictor.predictor.scores(x)
    proba = predictor.predictor.predict_proba(x)
    if not np.array_equal(given, logit):
        i = int((given != logit).argmax())
        raise ParityError(f"{name}: 1 · {logit[i]!s} + 0 gives the logit {given[i]!s}")
    if not same_bits(probability, proba[:, 1].copy()):
        raise ParityError(
            f"{name}: scores and predict_proba have other bits around logit {logit[0]!s}"
        )
    back = slice(None, None, -1)
    for what, z, p in (
        ("the probability", logit, probability),
        ("P(negative), by the negated logit,", -logit[back], proba[back, 0].copy()),
    ):
        if not any(same_bits(p, known) for known in judged):
            require_sigmoid(name, what, z, p)
            judged.append(p)
