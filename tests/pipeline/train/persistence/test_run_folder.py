"""train.persistence.run_folder.read gives back what was written and refuses anything else."""

import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.run_files import forge, reseal
from serve_runtime.bundle.card import ModelCard
from serve_runtime.evaluation.auc import auc_of_counts
from train.errors import RunError
from train.persistence import run_folder


@pytest.fixture(scope="module")
def whole(train_recipe, named_recipe):
    """A trained run; tests that damage one work on a copy."""
    return train_recipe(
        named_recipe("breast-cancer", "optimizer.epochs=20", "optimizer.momentum=0.5")
    )


@pytest.fixture
def folder(whole, tmp_path):
    return shutil.copytree(whole.folder, tmp_path / "copy")


def test_read_gives_what_was_trained(whole):
    run = run_folder.read(whole.folder)
    affine = run.trained.affine()
    assert affine.weight.shape == (30,)
    assert affine.weight.dtype == np.float32
    assert run.sample.shape == (256 + 114, 30)
    assert run.card.weights_sha256 == affine.sha256()
    assert run.card.training["metrics"] == whole.metrics
    assert (run.card.graph_sha256, run.card.golden) == ({}, ())


def test_the_sample_holds_training_and_hold_out_rows(whole):
    run = run_folder.read(whole.folder)
    training, holdout = run.sample[:256], run.sample[256:]
    assert (training >= np.float32(run.card.feature_min)).all()
    assert (training <= np.float32(run.card.feature_max)).all()
    assert len(holdout) == whole.metrics["holdout"]["rows"]
    assert len(np.unique(run.sample, axis=0)) == len(run.sample)


@pytest.mark.parametrize(
    ("shape", "rows"), [((3, 10), 10), ((3, 1000), 256), ((1 << 15, 5), 2), ((1 << 17, 3), 1)]
)
def test_sample_is_spread_evenly_and_stays_small(shape, rows):
    features = np.broadcast_to(np.arange(shape[1], dtype=np.float32), shape)
    sample = run_folder.sample_rows(features)
    assert sample.shape == (rows, shape[0])
    if rows > 1:
        assert (sample[0, 0], sample[-1, 0]) == (0, shape[1] - 1)
        steps = np.diff(sample[:, 0])
        assert steps.max() - steps.min() <= 1


def test_checkpoint_holds_what_continuing_needs(whole):
    saved = torch.load(whole.folder / run_folder.CHECKPOINT, weights_only=True)
    training = saved["training"]
    assert training["updates"]["momentum_buffer"].shape == (31,)
    assert training["theta"].shape == (31,)
    generator = torch.Generator()
    generator.set_state(training["order"])
    assert generator.initial_seed() == 1
    inner = nn.Sequential(nn.Linear(30, 1), nn.Sigmoid())
    inner.load_state_dict({k: v for k, v in saved["standardized"].items() if k[0] == "0"})
    assert saved["standardized"]["mean"].dtype == torch.float64


@pytest.mark.parametrize("size", [0, 1, 100, 0.5, -1])
def test_a_truncated_checkpoint_is_refused(size, folder):
    path = folder / run_folder.CHECKPOINT
    content = path.read_bytes()
    kept = content[: int(size * len(content)) if isinstance(size, float) else size]
    path.write_bytes(kept)
    with pytest.raises(
        RunError,
        match=rf"checkpoint\.pt is not the checkpoint that metrics\.json describes \({len(kept)} "
        r"bytes, sha256 \w{12}…\): it was truncated or altered; train again$",
    ):
        run_folder.read(folder)


@pytest.mark.parametrize("name", [run_folder.CHECKPOINT, run_folder.METRICS])
def test_any_changed_byte_is_noticed(name, folder):
    path, positions = folder / name, random.Random(3)
    content = path.read_bytes()
    for position in [0, len(content) - 1, *positions.sample(range(len(content)), 120)]:
        changed = bytearray(content)
        changed[position] ^= 1 << positions.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(RunError, match=rf"{name} .*(altered|no format_version|format version)"):
            run_folder.read(folder)


def test_any_changed_byte_of_the_profile_is_noticed(folder):
    path, positions = folder / run_folder.PROFILE, random.Random(4)
    content = path.read_bytes()
    for position in [0, len(content) - 1, *positions.sample(range(len(content)), 60)]:
        changed = bytearray(content)
        changed[position] ^= 1 << positions.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(RunError, match=r"profile\.json .*(altered|no format_version|version)"):
            run_folder.read_profile(folder)


def test_the_profile_is_that_of_the_run(folder, train_recipe, named_recipe):
    other = train_recipe(named_recipe("breast-cancer", "optimizer.epochs=21"))
    shutil.copy(other.folder / run_folder.PROFILE, folder)
    with pytest.raises(RunError, match=r"profile\.json is that of another run: train again$"):
        run_folder.read_profile(folder)
    (folder / run_folder.PROFILE).unlink()
    assert run_folder.read_profile(folder) is None
    assert len(run_folder.read(folder).sample)


@pytest.mark.parametrize("part", ["training", "holdout"])
def test_the_profile_tells_the_scores_of_all_rows(part, whole):
    profile, metrics = run_folder.read_profile(whole.folder), whole.metrics[part]
    scores = profile["scores"][part]
    negative, positive = (np.array(scores[name]) for name in ("negative", "positive"))
    assert profile["classes"][part] == [negative.sum(), positive.sum()]
    assert (negative + positive).sum() == metrics["rows"]
    assert auc_of_counts(negative, positive)[0] == pytest.approx(metrics["auc"], abs=1e-12)
    z = np.array(scores["logit"])
    costs = np.logaddexp(0, z) @ negative + np.logaddexp(0, -z) @ positive
    assert costs / metrics["rows"] == pytest.approx(metrics["log_loss"], rel=1e-6)
    right = negative[z < 0].sum() + positive[z >= 0].sum()
    assert right / metrics["rows"] == metrics["accuracy"]


def test_the_profile_tells_the_columns_in_the_order_of_the_card(whole):
    profile, card = run_folder.read_profile(whole.folder), run_folder.read(whole.folder).card
    assert [column["name"] for column in profile["columns"]] == list(card.feature_names)
    assert {sum(column["counts"]) for column in profile["columns"]} == {profile["rows"]} == {455}


@pytest.mark.parametrize("keep", [0, 50, -1, -20])
def test_truncated_metrics_are_refused_with_advice_that_helps(keep, folder):
    path = folder / run_folder.METRICS
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(RunError, match=r"metrics\.json .*altered.*train again$"):
        run_folder.read(folder)


@pytest.mark.parametrize("version", [1, "1", None, True])
def test_metrics_of_an_unknown_version_are_refused(version, folder):
    reseal(folder, format_version=version)
    with pytest.raises(RunError, match=rf"metrics\.json has format version {version!r}, this .* 2"):
        run_folder.read(folder)


def test_a_checkpoint_of_an_unknown_version_is_refused(folder):
    forge(folder, lambda saved: saved.update(format_version=1))
    with pytest.raises(
        RunError, match=r"checkpoint\.pt has format version 1, this one reads 2: train again$"
    ):
        run_folder.read(folder)


def test_an_altered_card_is_refused(folder):
    forge(folder, lambda s: s.update(card=s["card"].replace("malignant", "Malignant")))
    with pytest.raises(ValueError, match=r"the card in .*checkpoint\.pt was altered"):
        run_folder.read(folder)


def test_a_card_of_other_features_is_refused(folder):
    def narrow(saved) -> None:
        card = ModelCard.from_json(saved["card"])
        saved["card"] = replace(card, columns=card.columns[1:]).to_json()

    forge(folder, narrow)
    with pytest.raises(RunError, match=r"the card names 29 features, and the sample .*\(370, 30\)"):
        run_folder.read(folder)


def without(*keys):
    def change(saved) -> None:
        for key in keys[:-1]:
            saved = saved[key]
        del saved[keys[-1]]

    return change


@pytest.mark.parametrize(
    "change",
    [
        without("card"),
        without("sample"),
        without("format_version"),
        without("state_dict", "0.weight"),
        without("state_dict", "0.bias"),
        lambda saved: saved.update(sample=[1.0, 2.0]),
        lambda saved: torch.zeros(3),
        lambda saved: [1, 2],
    ],
    ids=["card", "sample", "version", "weight", "bias", "sample a list", "a tensor", "a list"],
)
def test_another_file_of_torch_is_refused(change, folder):
    forge(folder, change)
    with pytest.raises(RunError, match=r"checkpoint\.pt(:| is no checkpoint of this project:) "):
        run_folder.read(folder)


def test_a_pickle_that_would_run_code_is_refused(folder):
    class Trap:
        def __reduce__(self):
            return (print, ("ran",))

    forge(folder, lambda saved: saved.update(trap=Trap()))
    with pytest.raises(RunError, match=r"checkpoint\.pt(:| is no checkpoint of this project:) "):
        run_folder.read(folder)


@pytest.mark.parametrize("missing", [run_folder.CHECKPOINT, run_folder.METRICS])
def test_a_run_that_lacks_a_file_is_refused(missing, folder):
    (folder / missing).unlink()
    with pytest.raises(
        RunError,
        match=rf"copy is not a run: cannot read .*{missing}: No such file or directory; "
        "make one with `python -m train`$",
    ):
        run_folder.read(folder)


@pytest.mark.parametrize("kind", ["absent", "empty", "file"])
def test_a_folder_that_is_no_run_is_refused(kind, tmp_path):
    path = tmp_path / kind
    if kind == "empty":
        path.mkdir()
    if kind == "file":
        path.write_text("hello")
    with pytest.raises(RunError, match=rf"{kind} is not a run: .*make one with"):
        run_folder.read(path)
