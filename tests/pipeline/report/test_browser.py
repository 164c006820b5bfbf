"""A real browser opens the page as people do: no message, nothing fetched, no scrolling aside."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from report.document import document
from report.read import read_source

MODULES = ("axe-core@4.10.3", "puppeteer-core@24.10.0")
SCRIPT = Path(__file__).with_name("open_page.mjs")


@pytest.fixture(scope="session")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    if found is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    return found


@pytest.fixture(scope="session")
def modules() -> Path:
    """A folder with axe-core and puppeteer-core, kept from one run of the tests to the next."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("there is no Node: the page is not opened in a browser")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "serve-runtime-tests" / "-".join(MODULES).replace("@", "-")
    if not (folder / "done").exists():
        folder.mkdir(parents=True, exist_ok=True)
        command = ["npm", "install", "--prefix", str(folder), "--no-audit", "--no-fund", *MODULES]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode:
            pytest.skip(f"npm cannot install {', '.join(MODULES)}: {done.stderr[-200:]}")
        (folder / "done").touch()
    return folder


@pytest.fixture(scope="session", params=["odd", "whole"])
def opened(request, chromium, modules, tmp_path_factory, whole_bundle) -> dict[str, Any]:
    """What a browser says of the pages of two runs."""
    run = request.getfixturevalue(request.param)
    folder = tmp_path_factory.mktemp("page")
    page, pdf = folder / "page.html", folder / "page.pdf"
    bundle = whole_bundle if request.param == "whole" else None
    page.write_text(document(read_source(run, bundle)), encoding="utf-8")
    command = ["node", str(SCRIPT), str(modules), chromium, str(page), str(pdf)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "page": page.as_uri(), "pdf": pdf.read_bytes()}


def test_nothing_is_said_or_fetched(opened):
    assert opened["console"] == []
    assert opened["dialogs"] == 0
    assert set(opened["fetched"]) == {opened["page"]}


def test_a_phone_scrolls_down_only(opened):
    views = opened["views"]
    assert {view["width"] for view in views} == {390, 1280}
    assert [view["scroll"] for view in views] == [view["client"] for view in views]


def test_everybody_can_read_it(opened):
    for view in opened["views"]:
        assert view["violations"] == [], f"{view['scheme']}, {view['width']} px"
        assert (view["h1"], view["unnamed"]) == (1, 0)
        assert view["figures"] > 5


def test_light_and_dark(opened):
    assert len({view["paint"] for view in opened["views"]}) == 2


def test_it_prints(opened):
    assert opened["pdf"].startswith(b"%PDF-")
    assert opened["pdf"].count(b"/Type /Page\n") > 1
