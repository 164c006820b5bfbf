"""Whatever object is passed, every method gives scores or raises a ServeError."""

import io
from collections import UserList
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light.helpers import TINY
from serve_runtime import InputError, Predictor, ServeError

METHODS = ["probability", "decision_function", "predict_proba", "predict", "scores", "label"]


class SilentError(Exception):
    """An error that cannot say what it is."""

    def __str__(self):
        raise RuntimeError("no text")

    __repr__ = __str__


class Opaque(type):
    """A metaclass whose classes tell nothing of themselves."""

    def __getattribute__(cls, name):
        raise SilentError


RAISED = [
    ValueError("a\n" * 99), TypeError, KeyError("x1"), AttributeError, IndexError, RuntimeError,
    OSError(5, "gone"), RecursionError, NotImplementedError, StopIteration, ZeroDivisionError,
    UnicodeDecodeError("utf-8", b"a", 0, 1, "bad"), AssertionError, EOFError, BufferError,
    ArithmeticError, LookupError, ImportError, UserWarning("w"), SilentError,
    Exception("x" * 10**5), ExceptionGroup("several", [ValueError("one")]), InputError("mine"),
]  # fmt: skip
PROTOCOLS = [
    "__array__", "__array_interface__", "__array_struct__", "__array_ufunc__", "__buffer__",
    "__arrow_array__", "__arrow_c_array__", "__arrow_c_stream__", "__dataframe__", "__dlpack__",
    "__len__", "__getitem__", "__iter__", "__next__", "__contains__", "__float__", "__index__",
    "__int__", "__bool__", "__eq__", "__hash__", "__getattr__", "__class__", "__dict__", "__dir__",
    "__instancecheck__", "__repr__", "__str__", "__fields__", "_fields", "keys", "items", "columns",
    "column_names", "dims", "coords", "iloc", "index", "equals", "dtype", "dtypes", "names", "ndim",
    "shape", "to_numpy", "to_batches", "num_rows", "select", "slice", "combine_chunks", "type",
    "cast", "to_arrow", "array", "kind", "collect", "toarray", "todense", "requires_grad", "device",
    "as_integer_ratio", "count", "mask", "data", "read", "readline", "name",
]  # fmt: skip
BASES = [object, list, tuple, dict, str, bytes, int, float, UserList, np.ndarray, Sequence, Mapping]


def failing(reason):
    """A method or property that raises."""

    def fail(*_, **__):
        raise reason

    return fail


def answering(value):
    """A method or property that answers `value`, a hundred times: nothing here is endless."""
    left = [None] * 100

    def answer(*_, **__):
        if left:
            left.pop()
            return value
        raise IndexError

    return answer


ANSWERS = [
    None,
    0,
    -1,
    3,
    2**62,
    "x1",
    b"",
    (),
    ["x1", "x2"],
    [["x1"]],
    {},
    object(),
    1.5,
    True,
    len,
]


PLAN = st.tuples(
    st.sampled_from(range(len(BASES))),
    st.dictionaries(
        st.sampled_from(PROTOCOLS),
        st.tuples(st.booleans(), st.booleans(), st.integers(0, len(RAISED) * len(ANSWERS) - 1)),
        max_size=6,
    ),
)
"""A class to make: its base, and of each protocol whether it raises, whether it is a property, and
which error or answer."""


def hostile(plan):
    """An object whose protocols raise or answer nonsense."""
    number, protocols = plan
    base, attributes = BASES[number], {}
    for name, (raises, is_property, which) in protocols.items():
        error, value = RAISED[which % len(RAISED)], ANSWERS[which % len(ANSWERS)]
        made = failing(error) if raises else answering(value)
        attributes[name] = property(made) if is_property else made
    for abstract in getattr(base, "__abstractmethods__", ()):
        attributes.setdefault(abstract, failing(RAISED[len(attributes)]))
    try:
        kind = type("Hostile", (base,), attributes)
        return kind((2, 2)) if base is np.ndarray else kind()
    except Exception:  # no such object can be made
        return Opaque("Hostile", (), {})()


PLACES = [
    lambda x: x,
    lambda x: [x],
    lambda x: (x, x),
    lambda x: [[1, x], [2, 3]],
    lambda x: [{"x1": 1, "x2": 2}, x],
    lambda x: [{"x1": x, "x2": 2}],
    lambda x: {"x1": x, "x2": 2},
    lambda x: {"x1": [1, 2], "x2": x},
    lambda x: {"x1": [1, x], "x2": [2, 3]},
    lambda x: {x: [1], "x1": [1], "x2": [2]},
    lambda x: np.array([[x, 1]], object),
    lambda x: [1, x],
    lambda x: UserList([x]),
    lambda x: {"x1": np.array([x], object), "x2": [2]},
]


def outcome(predictor, method, x):
    """What a method gives for `x`: "scores", or the ServeError; anything else is raised."""
    try:
        found = getattr(predictor, method)(x)
    except ServeError as reason:
        found = reason
    if isinstance(found, ServeError):
        assert len(str(found)) < 2000
        return found
    for scores in found if isinstance(found, tuple) else (found,):
        assert scores.dtype == predictor.classes_.dtype or np.isfinite(scores).all()
    return "scores"


@given(plan=PLAN, place=st.integers(0, len(PLACES) - 1), method=st.sampled_from(METHODS))
@settings(max_examples=1500)
@pytest.mark.filterwarnings("ignore")  # what such objects warn of is theirs to say
def test_a_hostile_object_is_scored_or_refused(predictor, plan, place, method):
    x = hostile(plan)
    try:
        x = PLACES[place](x)
    except Exception:  # no key of a dict, no element of an array
        x = [x]
    outcome(predictor, method, x)


def closed_file():
    file = io.BytesIO(b"1,2")
    file.close()
    return file


def released():
    view = memoryview(bytearray(8))
    view.release()
    return view


def endless():
    rows = []
    rows.append(rows)
    return rows


def nested(depth):
    rows = [1.0]
    for _ in range(depth):
        rows = [rows]
    return rows


ORDINARY = {
    "None": None, "an ellipsis": ..., "a module": io, "a class": int, "a function": outcome,
    "a closed file": closed_file(), "a file": io.StringIO("1,2"), "an iterator": iter([[1, 2]]),
    "a set": {1, 2}, "bytes": b"ab", "released memory": released(), "a list in itself": endless(),
    "100 lists in one another": nested(100), "10,000 lists in one another": nested(10_000),
    "a class that tells nothing": Opaque("Kind", (), {}), "its object": Opaque("Kind", (), {})(),
    "records without fields": np.zeros(2, []), "void": np.zeros((2, 2), "V8"),
    "dates": np.zeros((2, 2), "M8[s]"), "durations": np.zeros((2, 2), "m8[ns]"),
    "complex": np.zeros((2, 2), "c8"), "texts": np.array([["1", "2"]]), "60-D": np.zeros((1,) * 60),
    "a number": 0.5, "no array": np.array(None), "too large": [[10**400, 1]], "bool": True,
}  # fmt: skip


@pytest.mark.parametrize("name", ORDINARY)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("place", [lambda x: x, lambda x: [x], lambda x: {"x1": x, "x2": [1]}])
def test_what_is_no_table_is_refused(predictor, name, method, place):
    x = place(ORDINARY[name])
    found = outcome(predictor, method, x)
    if method == "label" and name in ("a number", "bool") and not isinstance(x, dict):
        assert found == "scores"  # a probability
    else:
        assert isinstance(found, InputError)


def kind_of(**methods):
    return type("Thing", (), methods)()


class Sparse:
    """What scipy's matrices show of themselves; some of them are dicts, too."""

    shape = (2, 2)

    def __len__(self):
        raise TypeError("sparse array length is ambiguous")

    def toarray(self):
        return np.eye(2)


class Tensor:
    """What torch's tensors show of themselves where numpy cannot read them."""

    def __init__(self, device, requires_grad):
        self.device, self.requires_grad = kind_of(type=device), requires_grad

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy()")


REMEDIES = [
    (lambda: pytest.importorskip("polars").LazyFrame({"x1": [1], "x2": [2]}), r"\.collect\(\)$"),
    (Sparse, r"got a Sparse: it is sparse: pass x\.toarray\(\)$"),
    (type("Dict", (Sparse, dict), {}), r"got a Dict: it is sparse: pass x\.toarray\(\)$"),
    (lambda: kind_of(todense=len), r"pass x\.todense\(\)$"),
    (lambda: Tensor("cpu", True), r"raised RuntimeError: Can't call .*; pass x\.detach\(\)$"),
    (lambda: Tensor("cuda", True), r"pass x\.detach\(\)\.cpu\(\)$"),
    (lambda: Tensor("cuda", False), r"pass x\.cpu\(\)$"),
    (lambda: ([i, i] for i in range(3)), r"got a generator: .* pass list\(x\)$"),
    (lambda: map(list, [[1, 2]]), r"got a map: .* pass list\(x\)$"),
    (lambda: {"a": [1, 2]}.values(), r"got a dict_values: pass list\(x\)$"),
    (closed_file, "read the file into a table first, or use score_file$"),
    (lambda: TINY, "read the file into a table first, or use score_file$"),
    (lambda: "in.csv", "got a str: to score a file use score_file$"),
    (lambda: dict, "it is a class: pass an object$"),
    (lambda: [Sparse()], r"got as row 0 a Sparse: it is sparse: pass x\.toarray\(\)$"),
    (lambda: {"x1": Sparse(), "x2": [1]}, r"feature 'x1' .* it is sparse: pass x\.toarray\(\)$"),
]


@pytest.mark.parametrize(("make", "message"), REMEDIES)
def test_a_refusal_says_what_to_do(predictor, make, message):
    with pytest.raises(InputError, match=message):
        predictor.probability(make())


def test_a_name_that_is_missing_does_not_hide_others(predictor):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([[2, 9, 1]], columns=["x2", pandas.NA, "x1"])
    assert predictor.probability(frame).tolist() == predictor.probability([[1, 2]]).tolist()
    with pytest.raises(InputError, match=r"missing: 'x2' \(got: .*, 'x1'\)"):
        predictor.probability(frame.iloc[:, 1:])


@pytest.mark.parametrize("reason", [KeyboardInterrupt, SystemExit, MemoryError, GeneratorExit])
@pytest.mark.parametrize("method", METHODS)
def test_what_ends_a_program_passes(predictor, method, reason):
    x = kind_of(__array__=failing(reason))
    with pytest.raises(reason):
        getattr(predictor, method)(x)


def test_an_error_while_later_rows_are_read_is_ours(predictor):
    """Frames and Arrow chunks are read when they are scored."""
    frame = pytest.importorskip("pandas").DataFrame({"x1": [1.0], "x2": [2.0]})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(type(frame), "to_numpy", failing(OSError(5, "gone")))
        with pytest.raises(InputError, match=r"reading a DataFrame raised OSError: \[Errno 5\] go"):
            predictor.probability(frame)


@pytest.mark.parametrize("rows", [1, 3])
def test_a_table_must_have_the_rows_that_it_says(predictor, rows):
    pa = pytest.importorskip("pyarrow")
    batch = pa.RecordBatch.from_pydict({"x1": [1.0, 2.0], "x2": [3.0, 4.0]})

    class Table:
        column_names, num_rows = ["x1", "x2"], rows

        def select(self, *_):
            return self

        slice = select

        def combine_chunks(self):
            return batch

        def to_batches(self):
            return [batch]

    with pytest.raises(InputError, match=f"as many rows as it says, {rows}; got 2$"):
        predictor.probability(Table())


@pytest.mark.parametrize("method", ["probability", "decision_function", "predict_proba"])
def test_an_out_of_any_kind_is_refused_or_filled(predictor, method):
    class Guarded(np.ndarray):
        def __setitem__(self, *_):
            raise OSError("read-only")

    shape = getattr(predictor, method)([[1, 2]]).shape
    given_out = Guarded(shape, np.float32)
    assert getattr(predictor, method)([[1, 2]], out=given_out) is given_out
    for other in (Opaque("Kind", (), {})(), kind_of(__class__=property(failing(SilentError)))):
        with pytest.raises(InputError, match=r"out must be a writable float32 array .* got a "):
            getattr(predictor, method)([[1, 2]], out=other)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([0.5, 1.5], "probability must be a number from 0 to 1; got 1.5 in row 1$"),
        ([0.5, None], "probability must be a number from 0 to 1; got nan in row 1$"),
        (np.float32([-3, 2]), r"from 0 to 1; got -3.0 in row 0$"),
        (["0.5"], "probability must be numeric; got the text '0.5' in row 0$"),
        ([[0.2, 0.8]], r"1 dimension, as probability\(\) answers; got 2 with shape \(1, 2\)$"),
    ],
)
def test_a_label_needs_a_probability(x, message):
    with pytest.raises(InputError, match=message):
        Predictor(TINY).label(x)


@pytest.mark.parametrize("make", [list, tuple, np.array, np.float32, lambda x: np.array(x, object)])
def test_a_label_belongs_to_each_probability(predictor, make):
    assert predictor.label(make([0.1, 0.9, 1, 0])).tolist() == [0, 1, 1, 0]
    assert predictor.label(make([])).shape == (0,)
    assert predictor.label(0.9) == 1
