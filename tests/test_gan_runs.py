"""GANs from the settings to the files of a run, its evaluation, and the comparison of several."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from lab.errors import UserError
from PIL import Image

from lab.comparison import compare as comparison
from lab.data import load as datasets
from lab.evaluation import classifiers as evaluation
from lab.evaluation import gans as gan_evaluation
from lab.experiments import sweep as sweeps
from lab.runs import folders as runs
from lab.settings import RunConfig
from lab.training import run as training
from lab.training import samples
from tests.conftest import DEVICE, script

DENSE = RunConfig(net="gan-dense", hidden=(32, 16), dataset="mnist", epochs=3, batch_size=64, sample_every=2)


@pytest.fixture(scope="module")
def arrays(data_dir):
    return datasets.load("mnist", data_dir)


def train(config, arrays, folder):
    return training.train(config, config.dataset, arrays, folder, DEVICE, verbose=False)


@pytest.fixture(scope="module")
def results(tmp_path_factory, arrays):
    """Runs: a classifier, repeated GANs, a ring."""
    top = tmp_path_factory.mktemp("results")
    train(RunConfig(net="gan-classifier", hidden=(32,), dataset="mnist", epochs=2), arrays, top / "judge")
    for unroll in (0, 1):
        for seed in (0, 1):
            train(replace(DENSE, unroll=unroll, seed=seed), arrays, top / "many" / f"unroll={unroll}" / f"seed={seed}")
    ring = RunConfig(net="gan-dense", hidden=(16,), dataset="ring", epochs=1, batch_size=512, steps_per_epoch=4)
    train(ring, datasets.load("ring"), top / "ring")
    return top


def evaluate(folder, classifier=None, count=None, data_dir=None):
    config, record = runs.load_trained(folder)
    gan_evaluation.check(folder, config, record, classifier, count)
    judge = gan_evaluation.load_classifier(classifier.name, classifier) if classifier else None
    data = evaluation.data_of(config, record, data_dir)
    return gan_evaluation.evaluate(folder, runs.load_model(folder, record), data, config, record, judge, count)


def test_a_run_leaves_its_pictures_curves_and_both_networks(results):
    folder = results / "many" / "unroll=0" / "seed=0"
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    pictures = [f"samples/epoch_{epoch:04}.png" for epoch in (0, 2, 3)]
    assert names == ["config.json", "history.json", "learning_curve.png", "model.keras", "samples.gif", *pictures]
    assert Image.open(folder / "samples.gif").n_frames == 3 and Image.open(folder / pictures[0]).size == (560, 560)
    history, (config, record) = runs.load_history(folder), runs.load_config(folder)
    lists = {name for name, values in history.items() if isinstance(values, list)}
    curves = {"generator_loss", "discriminator_loss", "real_accuracy", "generated_accuracy"}
    assert lists == curves | {"epoch_seconds"} and len(history["generator_loss"]) == 3
    assert record["gan_options"]["discriminator_learning_rate"] == 1e-4 and record["gan_options"]["latent"] == "normal"
    plain = keras.saving.load_model(folder / "model.keras")  # without this package's classes
    generator, discriminator = runs.load_model(folder, record).layers
    latents = samples.draw_latents(config, 100)
    np.testing.assert_array_equal(plain.layers[0](latents), generator(latents))
    assert discriminator(samples.generate(generator, latents)).shape == (100, 1)
    grid = samples.grid(samples.generate(generator, latents))
    np.testing.assert_array_equal(np.asarray(grid), np.asarray(Image.open(folder / "samples" / "epoch_0003.png")))


def test_the_same_seed_gives_the_same_gan_and_another_one_another(results, arrays, tmp_path):
    again = replace(DENSE, unroll=1, seed=1)
    train(replace(again, seed=2), arrays, tmp_path / "other")  # what it leaves compiled must not matter
    train(again, arrays, tmp_path / "again")
    there = results / "many" / "unroll=1" / "seed=1"
    same = [json.loads((folder / "history.json").read_text())["generator_loss"] for folder in (there, tmp_path / "again")]
    assert same[0] == same[1] != runs.load_history(tmp_path / "other")["generator_loss"]


def test_grids_show_images_row_by_row_dark_on_white():
    images = np.arange(6, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 3, 1), np.uint8)
    picture = 255 - np.asarray(samples.grid(images, rows=2, columns=3))
    assert picture.shape == (8, 18) and picture[::4, ::6].tolist() == [[0, 1, 2], [3, 4, 5]]


def test_evaluation_with_a_classifier(results, data_dir, capsys):
    folder = results / "many" / "unroll=0" / "seed=0"
    paths = evaluate(folder, results / "judge", 150, data_dir)
    assert [path.name for path in paths] == ["evaluation.json", "samples.png", "nearest.png", "labels.png"]
    found = json.loads(paths[0].read_text())
    assert sum(found["counts"]) == found["samples"] == 150 and found["classifier"] == "judge"
    assert found["present"] == sum(count > 1.5 for count in found["counts"]) and 0.1 < found["confidence"] <= 1
    # Without training: samples are noise, validation images are not.
    assert found["nearest_training_image"]["samples"] > found["nearest_training_image"]["validation"] and found["frechet"] > 0
    assert "KL divergence of the predicted classes to uniform" in capsys.readouterr().out
    evaluate(folder, None, None, data_dir)
    assert "With --classifier RUN, a run that classifies mnist" in capsys.readouterr().out
    assert not (folder / "labels.png").exists() and (folder / "nearest.png").exists()


def test_evaluation_of_the_ring(results):
    paths = evaluate(results / "ring")
    found = json.loads(paths[0].read_text())
    assert found["samples"] == 2500 and found["modes"] == sum(count >= 20 for count in found["counts"])
    assert found["near"] == pytest.approx(sum(found["counts"]) / 2500)
    assert (results / "ring" / "samples" / "epoch_0001.png").exists() and (results / "ring" / "labels.png").exists()


def test_comparison_of_repeated_gans(results, data_dir, tmp_path, capsys):
    folders = runs.named(results, ["many"])
    for folder in folders:
        evaluate(folder, results / "judge", 150, data_dir)
    groups, notes = comparison.collect(results, folders)
    paths = comparison.compare(groups, notes, tmp_path)
    assert [path.name for path in paths] == ["table.md", "table.csv", "learning_curves.png", "labels.png"]
    table = (tmp_path / "table.md").read_text()
    values = [json.loads((folder / "evaluation.json").read_text())["divergence"] for folder in folders[:2]]
    half_width = 12.7062 * abs(values[0] - values[1]) / 2  # Student's t for two runs
    assert f"{np.mean(values):.4f} ± {half_width:.4f}" in table and "classes over 1%" in table
    capsys.readouterr()
    with pytest.raises(UserError, match="GANs and classifiers"):
        comparison.collect(results, [*folders, results / "judge"])
    (folders[0] / "evaluation.json").write_text('{"divergence": "low"}')
    with pytest.raises(UserError, match="not what evaluate"):
        comparison.collect(results, folders)


def test_what_a_gan_cannot_be_evaluated_with(results, tmp_path, arrays):
    gan, record = runs.load_config(results / "many" / "unroll=0" / "seed=0")
    for classifier, count, message in (
        (results / "judge", 99, "at least 100"),
        (results / "many" / "unroll=0" / "seed=1", None, "is a GAN, not a classifier"),
        (results / "nowhere", None, "no run at"),
        (results / "many", None, "holds several runs: name one of them, as .*/unroll=0/seed=0"),
    ):
        with pytest.raises(UserError, match=message):
            gan_evaluation.check(results, gan, record, classifier, count)
    other = {**record, "dataset": {**record["dataset"], "name": "fashion_mnist"}}
    with pytest.raises(UserError, match="was trained on mnist, the GAN on fashion_mnist"):
        gan_evaluation.check(results, gan, other, results / "judge", None)


def test_losses_that_are_no_numbers_stop_the_run_and_keep_the_last_pictures(arrays, tmp_path):
    config = replace(DENSE, learning_rate=1e30, sample_every=1)
    with pytest.raises(UserError, match="smaller --learning-rate"):
        train(config, arrays, tmp_path / "wild")
    assert runs.load_history(tmp_path / "wild")["status"] == "diverged"
    pictures = [path.name for path in (tmp_path / "wild" / "samples").iterdir()]
    assert "epoch_0000.png" in pictures and len(pictures) == len(runs.load_history(tmp_path / "wild")["epoch_seconds"])
    assert not (tmp_path / "wild" / "model.keras").exists() and (tmp_path / "wild" / "samples.gif").exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"net": "gan-dense", "unroll": -1}, "unroll must be a whole number from 0"),
        ({"unroll": 5}, "--unroll is for GANs"),
        ({"net": "gan-dense", "dropout": 0.5}, "--dropout is for classifiers"),
        ({"net": "gan-conv", "hidden": (3,)}, "hidden layers can be set"),
        ({"net": "gan-dense", "betas": (0.5, 1.0)}, "betas must be two numbers"),
        ({"net": "gan-dense", "label_smoothing": 0.5}, "label smoothing must be"),
        ({"net": "gan-dense", "latent": "cauchy"}, "unknown latent"),
        ({"dataset": "ring"}, "points, not images"),
    ],
)
def test_settings_that_are_refused(settings, message):
    with pytest.raises(UserError, match=message):
        RunConfig(**settings)


def test_small_data_have_fewer_steps_than_the_default_and_sweeps_one_kind_of_net(arrays, tmp_path):
    config = RunConfig(net="gan-conv", dataset="mnist", epochs=1, batch_size=256)
    train(config, arrays, tmp_path / "small")
    assert runs.load_config(tmp_path / "small")[1]["gan_options"]["steps_per_epoch"] == 2  # of 640 images
    with pytest.raises(UserError, match="one kind"):
        sweeps.grid(RunConfig(), [["net", "dense", "gan-dense"]], 1)
    planned = sweeps.grid(DENSE, [["net", "gan-conv", "gan-dense"]], 1).values()
    assert [config.hidden for config in planned] == [None, (32, 16)]


def test_more_steps_than_batches_are_refused(arrays):
    with pytest.raises(UserError, match="11 steps per epoch are more than the data have: 10 batches of 64 images"):
        datasets.for_run(replace(DENSE, steps_per_epoch=11), arrays)


def test_the_scripts_train_and_evaluate_a_gan(data_dir, tmp_path):
    places = "--data-dir", data_dir, "--results-dir", tmp_path
    flags = "--net", "gan-conv", "--dataset", "mnist", "--epochs", 1, "--steps-per-epoch", 1, "--batch-size", 16
    done = script("train", "-m", "conv", *flags, "--betas", "0.4,0.9", *places)
    assert done.returncode == 0 and "generator_loss" in done.stdout and not done.stderr, done.stderr
    done = script("evaluate", "-m", "conv", *places)
    assert done.returncode == 0 and "samples.png, nearest.png" in done.stdout, done.stderr
    assert runs.load_config(tmp_path / "conv")[0].betas == (0.4, 0.9)
