"""A sealed document opens to what was sealed, and to nothing else."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from light.helpers import run_python
from serve_runtime import ArtifactError, CardError, ModelCard
from serve_runtime.bundle.sealed_json import seal, sha256, unseal

finite = st.floats(allow_nan=False, allow_infinity=False)
plain = st.recursive(
    st.none() | st.booleans() | st.integers() | finite | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=4,
)


@pytest.mark.parametrize("text", ["", "{", "nonsense", "[" * 100_000, '{"a": 1e'])
def test_text_that_is_not_json_is_refused(text):
    with pytest.raises(CardError, match=r"the model card is not valid JSON .* export again"):
        ModelCard.from_json(text)


@pytest.mark.parametrize("text", ["[]", "1", "null", "{}", '"format_version"'])
def test_json_that_is_no_sealed_document_is_refused(text):
    with pytest.raises(CardError, match="the model card has no format_version"):
        ModelCard.from_json(text)


@settings(max_examples=50)
@given(st.dictionaries(st.text(), plain), st.sampled_from([None, 1]))
def test_a_sealed_document_opens_to_itself(document, indent):
    document = {**document, "format_version": 3}
    document.pop("sha256", None)
    text = seal(document, indent=indent)
    opened = unseal(text, what="it", version=3, error=ArtifactError, indent=indent)
    assert opened == document


def test_a_seal_does_not_depend_on_the_order_of_keys():
    assert seal({"b": 1, "a": 2}) == seal({"a": 2, "b": 1})


def test_a_document_with_nan_is_not_sealed():
    with pytest.raises(ValueError, match="not JSON compliant"):
        seal({"format_version": 1, "a": float("nan")})


def test_a_seal_is_of_its_own_layout():
    text = seal({"format_version": 1, "a": 2}, indent=1)
    with pytest.raises(ArtifactError, match="it was altered since it was written"):
        unseal(text, what="it", version=1, error=ArtifactError)


@given(st.lists(st.binary(max_size=200)))
def test_the_digest_is_the_one_of_hashlib(parts):
    digest, expected = sha256(), hashlib.sha256()
    for part in parts:
        digest.update(part)
        expected.update(part)
    assert digest.hexdigest() == expected.hexdigest()


def test_an_interpreter_without_its_own_hashes_seals_alike(tmp_path):
    code = (
        "import sys; sys.modules.update(_sha2=None, _sha256=None)\n"
        "from serve_runtime.bundle.sealed_json import seal\n"
        "print(seal({'a': 1}), 'hashlib' in sys.modules)\n"
    )
    result = run_python("-c", code, cwd=tmp_path)
    assert (result.stdout, result.stderr) == (f"{seal({'a': 1})} True\n", "")
