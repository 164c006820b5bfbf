"""Random models that encode their columns, and the rows on which they are proven."""

from typing import Any

from benchmarks.harness.random_run import random_mixed
from export.parity.corpus import proof_batches
from export.parity.encoded_model import EncodedModel
from export.parity.proof_rows import ProofBatch
from serve_runtime.bundle.card import ModelCard


def make(**kind: Any) -> tuple[EncodedModel, ModelCard, dict[str, ProofBatch]]:
    """A model of this kind, its card, and the batches of its proof by name."""
    trained, card, rows = random_mixed(**kind)
    encoding = trained.encoding()
    assert encoding is not None
    model = EncodedModel(trained.affine(), encoding)
    batches = proof_batches(card, model, rows.take(range(5)))
    return model, card, {batch.name: batch for batch in batches}
