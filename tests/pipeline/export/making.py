"""Runs without training, bundles taken apart and put together again."""

import dataclasses
from pathlib import Path

import numpy as np
import torch

from export import onnx_graph, program, torchscript
from export.bundle import CERTIFICATE, PROGRAM, TORCHSCRIPT
from serve_runtime.artifact import (
    MANIFEST,
    MODEL_FILES,
    FileEntry,
    Manifest,
    parse_model,
    read_bytes,
)
from serve_runtime.card import ModelCard
from train import checkpoint
from train.model import build, parameters, set_parameters
from train.run import weights_sha256

FILES = (MANIFEST, *MODEL_FILES.values(), TORCHSCRIPT, PROGRAM, CERTIFICATE)
"""Every file of a bundle."""


def make_run(
    folder: Path, width: int, seed: int = 0, spread: float = 1.0, offset: float = 0.0
) -> Path:
    """A run folder with random weights; `spread` widens the scales of the features."""
    rng = np.random.default_rng(seed)
    scale = np.exp(rng.normal(size=width) * spread)
    features = (offset + rng.normal(size=(width, 300)) * scale[:, None]).astype(np.float32)
    weight = (rng.normal(size=width) / scale / np.sqrt(width)).astype(np.float32)
    bias = np.float32(rng.normal())
    model = build(width, "zeros", 0)
    set_parameters(model, torch.tensor(weight[None]), torch.tensor([bias]))
    card = ModelCard(
        feature_names=tuple(f"c{i}" for i in range(width)),
        classes=("no", "yes"),
        feature_min=tuple(map(float, features.min(1))),
        feature_max=tuple(map(float, features.max(1))),
        weights_sha256=weights_sha256(weight, float(bias)),
        training={"versions": {}},
    )
    folder.mkdir(parents=True)
    checkpoint.write(
        folder,
        model=model,
        sample=checkpoint.sample_rows(features),
        card=card,
        metrics={},
        resume={},
    )
    assert parameters(model)[0].shape == (1, width)
    return folder


def reseal(bundle: Path) -> None:
    """Make the manifest match the files as they are now: what a forger would do."""
    versions = Manifest.read(bundle).versions
    names = sorted(path.name for path in bundle.iterdir() if path.name != MANIFEST)
    files = {name: FileEntry.of(read_bytes(bundle / name)) for name in names}
    (bundle / MANIFEST).write_text(Manifest(files, versions).to_json(), encoding="utf-8")


def card_of(bundle: Path) -> ModelCard:
    path = bundle / MODEL_FILES["rows"]
    return parse_model(path, read_bytes(path)).card


def weights_of(bundle: Path) -> tuple[np.ndarray, float]:
    artifact = onnx_graph.load(bundle / MODEL_FILES["rows"])
    return artifact.weight.copy(), float(artifact.bias[0])


def write_models(
    bundle: Path, weight: np.ndarray, bias: float, card: ModelCard, *only: str
) -> None:
    """Write artifacts (all, or `only` those named) with these weights and this card.

    The card gets the digests of the new graphs, so that nothing but the scores can tell.
    """
    graphs = {layout: onnx_graph.build(weight, bias, layout) for layout in MODEL_FILES}
    digests = {layout: FileEntry.of(graph).sha256 for layout, graph in graphs.items()}
    card = dataclasses.replace(card, graph_sha256=digests)
    tensors = torch.from_numpy(weight[None]), torch.tensor([bias])
    contents = {
        **{MODEL_FILES[layout]: onnx_graph.add_card(g, card) for layout, g in graphs.items()},
        TORCHSCRIPT: torchscript.build(*tensors, card),
        PROGRAM: program.build(*tensors, card),
    }
    for name, content in contents.items():
        if not only or name in only:
            (bundle / name).write_bytes(content)
    reseal(bundle)
