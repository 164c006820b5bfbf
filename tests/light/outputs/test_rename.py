import errno

import pytest

from light.outputs.blocks import names
from serve_runtime.outputs import rename
from serve_runtime.outputs.rename import exchange, rename_new


@pytest.fixture
def two(tmp_path):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    return tmp_path / "one", tmp_path / "other"


@pytest.fixture(params=["renameat2", *(errno.errorcode[n] for n in rename._UNSUPPORTED), "none"])
def system(request, monkeypatch):
    """A system with renameat2, some where it fails, and one without."""
    if request.param == "none":
        monkeypatch.setattr(rename, "_load", lambda: None)
    elif request.param != "renameat2":
        monkeypatch.setattr(rename, "_load", lambda: lambda *_: getattr(errno, request.param))


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_a_rename_replaces_nothing(system, two, tmp_path, kind):
    one, other = two
    if kind == "file":
        one, other = one / "one", other / "other"
    with pytest.raises(FileExistsError):
        rename_new(one, other)
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(FileExistsError):
        rename_new(one, tmp_path / "link")
    rename_new(one, tmp_path / "third")
    assert not one.exists()
    assert (tmp_path / "third").exists()


def test_folders_change_places_or_nothing_is_done(system, two):
    one, other = two
    expected = [["other"], ["one"]] if exchange(one, other) else [["one"], ["other"]]
    assert [names(one), names(other)] == expected


def test_other_errors_are_raised(two, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        rename_new(tmp_path / "nowhere", tmp_path / "third")
