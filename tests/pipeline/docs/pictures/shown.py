"""What a picture shows, read from its figure or its file."""

from xml.etree import ElementTree

import numpy as np
from matplotlib.axes import Axes

from docs.pictures.picture import Picture
from pipeline.docs.documented import ROOT

FOLDER = ROOT / "docs" / "pictures"
SVG = "{http://www.w3.org/2000/svg}"


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def drawn(axes: Axes, label: str) -> np.ndarray:
    """The places (n, 2) of the line with this label."""
    (line,) = (line for line in axes.lines if line.get_label() == label)
    return np.asarray(line.get_xydata())


def axes_of(picture: Picture) -> list[Axes]:
    return picture.figure.axes


def texts(svg: str) -> list[str]:
    found = ElementTree.fromstring(svg).iter(f"{SVG}text")
    return sorted("".join(text.itertext()).strip() for text in found)


def of_run(trained) -> np.ndarray:
    """Weights and bias of a run folder."""
    return np.concatenate([p.numpy().ravel() for p in trained.model.parameters()]).astype(float)
