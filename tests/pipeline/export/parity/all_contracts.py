"""The names of the contracts, and a call that checks them all."""

from export.parity import contracts
from pipeline.export.bundle_files import Model

BITS, RISING, FEATURES, NEIGHBOURS, FILE = (
    "same bits alone, in any batch, from any array, at any threads, by every method",
    "probability in [0, 1] and rising with the logit",
    "logit monotone in each feature by the sign of its weight",
    "a neighbour's NaN changes nothing",
    "same bits as the file in onnxruntime itself",
)


def check(model: Model) -> dict[str, int]:
    return contracts.check(model.folder, model.batches, model.affine)
