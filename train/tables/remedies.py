"""What a person can copy to leave columns out."""

import shlex
from collections.abc import Sequence

_MOST_DROPPED = 20
"""With more columns, --drop would take more lines than anybody wants to copy."""


def drop_remedy(names: Sequence[str]) -> str:
    """How to leave columns out, ready to copy."""
    if len(names) > _MOST_DROPPED or any("," in name for name in names):
        return "Name the columns to learn from with --features, or data.drop in a recipe"
    return f"To leave them out: --drop {shlex.quote(','.join(names))}"
