"""Objects that answer whatever they are asked, and whose names have no end, are refused."""

import pytest

from light.inputs.test_refusals import METHODS
from serve_runtime import ServeError


class ReadOnError(BaseException):
    """More was read than the object says that it has."""


class Endless:
    """Answers whatever it is asked with itself, as mocks and remote objects do; has no end."""

    def __getattr__(self, name):
        return self

    def __call__(self, *_, **__):
        return self

    def __len__(self):
        return 1

    def __getitem__(self, position):
        if isinstance(position, int) and position > 100:
            raise ReadOnError
        return self


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("place", [lambda x: x, lambda x: [x], lambda x: [[x, 1]]])
def test_what_answers_everything_without_an_end_is_refused(predictor, method, place):
    with pytest.raises(ServeError, match=r"must be numeric|named features|dimension"):
        getattr(predictor, method)(place(Endless()))
