"""Vectors of 16 float32 numbers and multiply-adds, for code that numba compiles.

A compiler may use a processor's vectors for a sum only if it may add in another order. The order is
then its own affair, and changes with how code is linked: numba links a function once for itself
and once more into each caller, and which of the two is called depends on what its cache held. Sums
that are written with these vectors have one order, the one in the source, and so have products
that are added in the same step. A vector is as many of the processor's registers as it takes: one
with AVX-512, two with AVX2, four with NEON or SSE.

numba does not notice that a function in its cache was compiled with another version of this
module. So numba_kernels.py holds the digest of this one: a change here changes that file too, which
numba notices.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

LANES: Final = 16
"""Numbers in a vector."""

_FLOAT, _INTEGER = ir.FloatType(), ir.IntType(32)
_VECTOR, _INTEGERS = ir.VectorType(_FLOAT, LANES), ir.VectorType(_INTEGER, LANES)
_FLOAT_BYTES = 4
_EXPONENT_BIAS, _FRACTION_BITS = 127, 23


class _Vector(types.Type):
    """Numba's type of a vector."""


_vector = _Vector("vector of float32")


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, _VECTOR)


@intrinsic
def load(typing: Any, array: Any, index: Any) -> Any:
    """The vector that begins with `array[index]`, of a float32 array; `index` is a number or a
    pair, from 0. Nobody checks that all of the vector is in the array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_pointer(context, builder, signature, arguments), align=_FLOAT_BYTES)

    return _vector(array, _index(index)), generate


@intrinsic
def load_some(typing: Any, array: Any, index: Any, count: Any) -> Any:
    """The first `count` numbers that `load` gives, 1 or more, and zeros; what lies behind them need
    not be in the array."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _pointer(context, builder, signature, arguments)
        there = _before(builder, arguments[2])
        given = [place, _INTEGER(_FLOAT_BYTES), there, ir.Constant(_VECTOR, None)]
        return _call(builder, f"llvm.masked.load.v{LANES}f32.p0", _VECTOR, given)

    return _vector(array, _index(index), types.intp), generate


@intrinsic
def store(typing: Any, array: Any, index: Any, vector: Any) -> Any:
    """Put a vector to where `load` takes it from."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _pointer(context, builder, signature, arguments)
        builder.store(arguments[2], place, align=_FLOAT_BYTES)
        return context.get_dummy_value()

    return types.void(array, _index(index), _vector), generate


@intrinsic
def first(typing: Any, vector: Any, count: Any) -> Any:
    """The first `count` numbers of a vector, and zeros."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vector, count = arguments
        return builder.select(_before(builder, count), vector, ir.Constant(_VECTOR, None))

    return _vector(_vector, types.intp), generate


@intrinsic
def splat(typing: Any, number: Any) -> Any:
    """The vector that holds one number everywhere."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _splat(builder, arguments[0])

    return _vector(types.float32), generate


def _code_at(bits: int) -> Any:
    """An intrinsic that reads a whole number of `bits` bits, without a sign where it is a byte."""

    @intrinsic
    def code_at(typing: Any, address: Any, index: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            codes = builder.inttoptr(arguments[0], ir.IntType(bits).as_pointer())
            code = builder.load(builder.gep(codes, [arguments[1]]), align=bits // 8)
            widened = builder.zext if bits == 8 else builder.sext
            return widened(code, context.get_value_type(types.intp))

        return types.intp(types.intp, types.intp), generate

    return code_at


# The number at an index, from 0, of the array of uint8, int16 or int32 numbers that begins at an
# address: so one kernel reads columns of different types where they lie.
byte_at, short_at, int_at = map(_code_at, (8, 16, 32))


def _operation(generate: Callable[[Any, Any, Any], Any]) -> Any:
    """An intrinsic that takes two vectors; `generate` is given the builder and both."""

    @intrinsic
    def operation(typing: Any, a: Any, b: Any) -> Any:
        return _vector(_vector, _vector), lambda _, builder, __, given: generate(builder, *given)

    return operation


add = _operation(lambda builder, a, b: builder.fadd(a, b))
subtract = _operation(lambda builder, a, b: builder.fsub(a, b))
multiply = _operation(lambda builder, a, b: builder.fmul(a, b))
divide = _operation(lambda builder, a, b: builder.fdiv(a, b))
# Where `a` is NaN they give NaN: a weight that is no number must show in the gradient.
smaller = _operation(lambda builder, a, b: builder.select(builder.fcmp_ordered("<", b, a), b, a))
larger = _operation(lambda builder, a, b: builder.select(builder.fcmp_ordered(">", b, a), b, a))


@intrinsic
def fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a · b + c, of numbers or of vectors: rounded once where the processor has an instruction for
    it (x86 since AVX2, ARM), else after the product too."""
    kind = a if isinstance(a, _Vector) else types.float32

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        name = f"llvm.fmuladd.{f'v{LANES}' if kind is _vector else ''}f32"
        return _call(builder, name, arguments[0].type, arguments)

    return kind(kind, kind, kind), generate


@intrinsic
def power_of_two(typing: Any, shifted: Any) -> Any:
    """2ᵏ for whole numbers k from -126 to 127, each given as k + 1.5 · 2²³."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        # Numbers from 2²³ to 2²⁴ are 1 apart, so that k stands in their last bits. Of the others,
        # none is left when k has been moved to where a float32 has its exponent.
        bias, fraction = (
            ir.Constant(_INTEGERS, [value] * LANES) for value in (_EXPONENT_BIAS, _FRACTION_BITS)
        )
        k = builder.add(builder.bitcast(arguments[0], _INTEGERS), bias)
        return builder.bitcast(builder.shl(k, fraction), _VECTOR)

    return _vector(_vector), generate


@intrinsic
def total(typing: Any, vector: Any) -> Any:
    """The sum of a vector's numbers: its halves are added, then the halves of that, and so on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _totals(builder, arguments)[0]

    return types.float32(_vector), generate


@intrinsic
def totals(typing: Any, a: Any, b: Any, c: Any, d: Any) -> Any:
    """What `total` gives for each of four vectors, in fewer steps."""
    kind = types.UniTuple(types.float32, 4)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_tuple(builder, kind, _totals(builder, arguments))

    return kind(_vector, _vector, _vector, _vector), generate


def _totals(builder: Any, vectors: Sequence[Any]) -> list[Any]:
    """The sums of 1, 2 or 4 vectors, which are packed into ever fewer lanes."""
    count, length = len(vectors), LANES
    while length > 1:
        pairs = list(zip(vectors[::2], vectors[1::2], strict=False)) or [(vectors[0], vectors[0])]
        lanes = len(vectors[:2]) * vectors[0].type.count
        halves = [
            [i for i in range(lanes) if (i % length >= length // 2) == latter]
            for latter in (False, True)
        ]
        vectors = [
            builder.fadd(*(_shuffled(builder, *pair, half) for half in halves)) for pair in pairs
        ]
        length //= 2
    return [builder.extract_element(vectors[0], _INTEGER(i)) for i in range(count)]


def _shuffled(builder: Any, a: Any, b: Any, lanes: Sequence[int]) -> Any:
    """The numbers at `lanes`, which are counted on from one vector to the other."""
    wanted = ir.Constant(ir.VectorType(_INTEGER, len(lanes)), lanes)
    return builder.shuffle_vector(a, b, wanted)


def _index(index: Any) -> Any:
    return types.UniTuple(types.intp, 2) if isinstance(index, types.BaseTuple) else types.intp


def _pointer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """A pointer to the vector that begins at the array and index which are the first arguments."""
    kind, index = signature.args[:2]
    array = context.make_array(kind)(context, builder, arguments[0])
    pair = isinstance(index, types.BaseTuple)
    place = cgutils.unpack_tuple(builder, arguments[1]) if pair else [arguments[1]]
    number = cgutils.get_item_pointer(context, builder, kind, array, place)
    return builder.bitcast(number, _VECTOR.as_pointer())


def _before(builder: Any, count: Any) -> Any:
    """Which lanes are among the first `count`."""
    count = _splat(builder, builder.trunc(count, _INTEGER))
    return builder.icmp_signed("<", ir.Constant(_INTEGERS, list(range(LANES))), count)


def _splat(builder: Any, number: Any) -> Any:
    undefined = ir.Constant(ir.VectorType(number.type, LANES), ir.Undefined)
    one = builder.insert_element(undefined, number, _INTEGER(0))
    return _shuffled(builder, one, one, [0] * LANES)


def _call(builder: Any, name: str, returned: Any, arguments: Sequence[Any]) -> Any:
    kind = ir.FunctionType(returned, [value.type for value in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), arguments)
