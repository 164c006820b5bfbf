"""The names of the contracts, and a call that checks them all."""

from export.parity.contracts.check import check_contracts
from pipeline.export.bundle_files import Model

BITS, RISING, FEATURES, REFUSED, NEIGHBOURS, FILE, CONSECUTIVE = (
    "same bits alone, in any batch, from any array, at any threads, by every method",
    "probability in [0, 1] and rising with the logit",
    "logit monotone in each feature by the sign of its weight",
    "a row that cannot be scored is refused",
    "a neighbour's NaN changes nothing",
    "same bits as the file in onnxruntime itself",
    "probability right and rising from each float32 logit to the next",
)


def check(model: Model) -> dict[str, int]:
    return check_contracts(model.folder, model.batches, model.affine)
