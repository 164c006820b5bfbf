"""Recipes that no person writes end in one message, before any training."""

import pytest

from train.errors import RecipeError
from train.recipe.recipe import Recipe
from train.recipe.toml_file import override, read_toml

HEX = "0x" + "f" * 20_000  # Python's limit of digits is for decimal ones
DEEP = "[" * 5000 + "]" * 5000


def recipe(tmp_path, text):
    path = tmp_path / "r.toml"
    path.write_bytes(text.encode())
    return Recipe.from_dict(read_toml(path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"[model]\ninit = {{weight = {DEEP}, bias = [0]}}", "nested too deep"),
        (f"[model]\ninit = {{weight = {'[' * 90}{']' * 90}, bias = [0]}}", "no more than 8 deep"),
        (f"[data]\npoints = {{x = {'[' * 90}{']' * 90}, y = [0]}}", "no more than 8 deep"),
        (f"[optimizer]\nepochs = {'9' * 5000}", "is not valid TOML: Exceeds the limit"),
        (f"[optimizer]\nepochs = {'9' * 4000}", "whole numbers of at most 64 bits"),
        (f"[optimizer]\nlr = {HEX}", "whole numbers of at most 64 bits"),
        (f"[data]\npositive = {HEX}", "whole numbers of at most 64 bits"),
        (f"[data]\ntarget = {HEX}", "whole numbers of at most 64 bits"),
        (f"[data]\npoints = {{x = [[{HEX}]], y = [{HEX}]}}", "whole numbers of at most 64 bits"),
        (f"[data]\nsimulate = {{n = 9, low = 0, high = {HEX}, w0 = 0, w1 = 1}}", "64 bits"),
        (f"[log]\nevery = {HEX}", "whole numbers of at most 64 bits"),
        (f"[optimizer]\nschedule = {{name = 'StepLR', step_size = {HEX}}}", "64 bits"),
        (f"[a]\n{DEEP} = 1", "is not valid TOML"),
        ("[optimizer]\nepochs = 1000000000000", r"a whole number from 1 to 10⁹; got 1000000000000"),
        ("[optimizer]\nschedule = {name = 'PolynomialLR', power = 1e400}", "must hold finite"),
        ("[optimizer]\nschedule = {name = 'StepLR', gamma = nan}", "must hold finite numbers"),
        ("[optimizer]\nschedule = {name = 'StepLR', step_size = 2000-01-01}", "must hold finite"),
        ("[optimizer]\nschedule = {name = ['StepLR']}", "schedule must be {name = "),
        ("[optimizer]\n'\\u001b[31m' = 1", "no key"),
        (f"[optimizer]\n{'x' * 100_000} = 1", "no key"),
        (f"['{'y' * 100_000}']\nx = 1", "no section"),
        ("\0", "is not valid TOML"),
    ],
    ids=range(22),
)
def test_what_a_recipe_cannot_mean_is_one_message(tmp_path, text, message):
    with pytest.raises(RecipeError, match=message) as caught:
        recipe(tmp_path, text)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1600


def test_no_option_gets_around_it():
    for assignment in (f"optimizer.lr={HEX}", f"model.init={DEEP}", f"log.every={'9' * 5000}"):
        document = {}
        override(document, assignment)
        with pytest.raises(RecipeError, match="must "):
            Recipe.from_dict(document)


def test_a_file_that_does_not_end_is_no_recipe(tmp_path):
    with (tmp_path / "r.toml").open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(RecipeError, match="has more than 67,108,864 bytes"):
        read_toml(tmp_path / "r.toml")
    with pytest.raises(RecipeError, match="is not valid TOML"):
        recipe(tmp_path, "\ud800".encode("utf-8", "surrogatepass").decode("latin-1") + "=")
