"""Every number that decides how a batch is read and cut into blocks, with the reason for it."""

from typing import Final, NamedTuple


class Limits(NamedTuple):
    """Sizes in rows, or in values (rows times features); measured on x86-64 with AVX-512.

    A NamedTuple, since a frozen dataclass of as many fields takes 0.7 ms more of every import.
    """

    row_multiple: int = 4
    """In the rows graph a row has the same bits in every batch whose size is a multiple of this
    (docs/parity.md). Blocks of other sizes are filled up with rows that nobody reads."""

    least_rows: int = 0
    """Least rows of a block, a multiple of `row_multiple`. An Engine puts another number in its
    place where 0 does not do, see serve_runtime.inference.inner_blocks."""

    block_rows: int = 1 << 16
    """Most rows of a block: what the graph passes from node to node then stays in a cache of
    2 MiB."""

    bound_rows: int = 256
    bound_values: int = 1 << 14
    """Most rows and values of a block that is copied into buffers to which a session stays bound:
    copying 64 KiB takes less time than binding a session to other memory."""

    copied_values: int = 1 << 20
    """Most values of any other block that has to be copied: 4 MiB of float32."""

    strided_values: int = 1 << 22
    """The same where columns lie in one array and have to be converted. A slice of them has gaps,
    over which converting takes about twice as long, so one thread that converts them all at once
    is faster than two with a half each."""

    parallel_values: int = 1 << 19
    """From so many values on, several threads share a batch: waking a thread takes about as long
    as scoring this many."""

    adjacent_rows: int = 1 << 14
    """From so many rows on, columns are looked at for whether they lie one behind the other in
    memory and can be read as one array. Shorter ones are copied in less time than looking takes."""

    frame_rows: int = 1 << 14
    """Up to so many rows, a frame of one dtype is converted as a whole: asking a frame for one
    column takes 10 µs, more than copying a short one."""

    short_chunk_rows: int = 1 << 13
    joined_chunk_rows: int = 1 << 18
    """Where an Arrow table's chunks have fewer rows than the first number on average, they are
    joined into chunks of the second: each chunk is a batch of its own, with the cost of one."""

    def bound_block_rows(self, n_features: int) -> int:
        """Most rows of `n_features` features that are copied into bound buffers, a multiple of
        `row_multiple`."""
        fitting = self.bound_values // n_features // self.row_multiple * self.row_multiple
        return max(self.padded(1), min(self.bound_rows, fitting))

    def padded(self, rows: int) -> int:
        """The number of rows of a block after it is filled up: to `least_rows`, and to a multiple
        of `row_multiple`."""
        return max(self.least_rows, -(-rows // self.row_multiple) * self.row_multiple)


LIMITS: Final = Limits()
