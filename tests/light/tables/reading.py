"""A small table, and how tests read one."""

NAMES = ["x1", "x2"]
PLAIN = "x1,x2\n1,2\n3,4.5\n"


def rows_of(batches, features):
    """The rows of batches as dicts; the features must be float32."""
    rows = []
    for batch in batches:
        assert {str(batch.schema.field(name).type) for name in features} == {"float"}
        rows += batch.to_pylist()
    return rows
