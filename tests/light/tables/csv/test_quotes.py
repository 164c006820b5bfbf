import pytest

pytest.importorskip("pyarrow")

from serve_runtime.tables.csv.quotes import Quotes
from serve_runtime.tables.dialect import Dialect

QUOTED = [
    ('a,"b\n', (1, "before the")),
    ('a,b\r\n1,"2\r\n\r\n', (2, "before the")),
    ('"a\n1,"2\n', (1, "other text")),
    ('6" nail,"a\rb,"c\r', (1, "other text")),
    ('1,"a ""b"" c"\n2,"d\n3,"e"\n4,"f\n', (2, "other text")),
    ('"6" nail"\n"7\\" nail"\n"8\n9" x\n', (3, "other text")),
    ('"a\n""\n"\n"b\n""', (4, "before the")),
    *[
        (text, None)
        for text in ('6" nail\n', '"6" nail"\n', '"a\n""b"",\n""c"\n', '""\n"",""', '"a"')
    ],
]


@pytest.mark.parametrize(("text", "expected"), QUOTED)
@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize("dialect", [Dialect(), Dialect(separator=";", quote="'")])
def test_quotation_marks_are_followed_in_any_blocks(text, expected, size, dialect):
    quotes = Quotes(dialect=dialect)
    text = text.replace(",", dialect.separator).replace('"', dialect.quote)
    content = b"\xef\xbb\xbf" + text.encode()
    for start in (0, *range(3, len(content), size)):
        quotes.add(content[start : 3 if start == 0 else start + size])
    found = quotes.swallowed()
    assert (found and found[0]) == (expected and expected[0])
    assert not expected or expected[1] in found[1]
