"""GANs and classifiers from the settings to the files of a run, their evaluation, and the
comparison of several GANs.
"""

import csv
import json
import re
import shutil

import keras
import numpy as np
import pytest
from PIL import Image
from scipy import stats

import evaluate as evaluate_script
from lab import comparison, data, figures, runs
from lab.backend import gan, inference
from lab.cli import evaluation
from lab.evaluation import archive, classifiers, gans, measures
from lab.evaluation.trained import data_of
from lab.settings import Settings, UserError
from lab.training.run import train_run
from tests.conftest import assert_refused, call, script

DENSE = Settings(
    net="gan-dense", hidden=(32, 16), dataset="mnist", epochs=3, batch_size=64, sample_every=2
)


def train_in(settings, arrays, folder):
    name, whole = settings.dataset, arrays
    return train_run(
        data.resolve(settings, name, whole), whole, runs.Output(folder, folder.name), quiet=True
    )


@pytest.fixture(scope="module")
def arrays(data_dir):
    return data.load_dataset("mnist", data_dir)


@pytest.fixture(scope="module")
def results(tmp_path_factory, arrays):
    """Runs: a classifier, repeated GANs, a ring."""
    top = tmp_path_factory.mktemp("results")
    train_in(
        Settings(net="gan-classifier", hidden=(32,), dataset="mnist", epochs=2),
        arrays,
        top / "digits",
    )
    for unroll in (0, 1):
        for seed in (0, 1):
            train_in(
                DENSE.replace(unroll=unroll, seed=seed),
                arrays,
                top / "many" / f"unroll={unroll}" / f"seed={seed}",
            )
    ring = Settings(
        net="gan-dense", hidden=(16,), dataset="ring", epochs=1, batch_size=512, steps_per_epoch=4
    )
    train_in(ring, data.load_dataset("ring"), top / "ring")
    return top


def evaluate(results, *names, **more):
    """The paths that evaluate.py is given for these runs, with these flags."""
    flags = ["-m", *names, "--results-dir", str(results)]
    for name, value in more.items():
        values = value if isinstance(value, list) else [value]
        flags += [f"--{name.replace('_', '-')}", *map(str, values)]
    return evaluation.evaluate(evaluate_script.parse_args(flags))


def test_a_gans_run_leaves_its_pictures_curves_and_both_networks(results):
    folder = results / "many" / "unroll=0" / "seed=0"
    names = sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )
    pictures = [f"samples/epoch_{epoch:04}.png" for epoch in (0, 2, 3)]
    numbers = [name.replace("png", "npz") for name in pictures]
    expected = [
        "config.json",
        "history.json",
        "learning_curve.png",
        "model.keras",
        "samples.gif",
        *pictures,
        *numbers,
    ]
    drawn = {
        f"{name}.{kind}"
        for name in ("samples", "nearest", "labels", "over_time")
        for kind in ("png", "svg")
    }
    assert set(names) - {"evaluation.json", "code.patch", *drawn} == set(expected)
    animation = Image.open(folder / "samples.gif")  # with a line for the epoch
    assert (
        animation.n_frames == 3
        and animation.size == (560, 584)
        and Image.open(folder / pictures[0]).size == (560, 560)
    )
    run = runs.load(folder)
    curves = {"generator_loss", "discriminator_loss", "real_accuracy", "generated_accuracy"}
    assert (
        set(run.history.curves) == curves
        and run.history.epochs == len(run.history.curves["generator_loss"]) == 3
    )
    written = json.loads((folder / "config.json").read_text())["settings"]  # all of them resolved
    assert (
        written["discriminator_learning_rate"],
        written["latent"],
        written["steps_per_epoch"],
    ) == (1e-3, "normal", 10)
    plain = keras.saving.load_model(folder / "model.keras")  # without this package's classes
    generator, discriminator = archive.load_model(run).layers
    latents = gan.draw_latents(run.settings.latent, 100, run.settings.seed)
    np.testing.assert_array_equal(plain.layers[0](latents), generator(latents))
    generated = inference.generate(generator, latents)
    assert discriminator(generated).shape == (100, 1)
    grid = figures.sample_grid(generated)
    np.testing.assert_array_equal(
        np.asarray(grid), np.asarray(Image.open(folder / "samples" / "epoch_0003.png"))
    )
    kept = dict(runs.load_samples(run))
    assert [*kept] == [0, 2, 3] and kept[3].shape == (500, 28, 28, 1)
    np.testing.assert_array_equal(kept[3][:100], generated)


def test_the_same_seed_gives_the_same_gan_and_another_one_another(results, arrays, tmp_path):
    again = DENSE.replace(unroll=1, seed=1)
    other = train_in(
        again.replace(seed=2), arrays, tmp_path / "other"
    )  # what it leaves compiled must not matter
    train_in(again, arrays, tmp_path / "again")
    existing = results / "many" / "unroll=1" / "seed=1"
    same = [
        runs.load(folder).history.curves["generator_loss"]
        for folder in (existing, tmp_path / "again")
    ]
    assert same[0] == same[1] != other["generator_loss"]


def test_evaluation_with_a_classifier(results, data_dir, capsys):
    paths = evaluate(
        results, "many/unroll=0/seed=0", classifier="digits", samples=150, data_dir=data_dir
    )
    assert [path.name for path in paths] == [
        "evaluation.json",
        "samples.png",
        "nearest.png",
        "labels.png",
        "over_time.png",
    ]
    found = json.loads(paths[0].read_text())
    assert (paths[0].parent / "labels.svg").exists()
    assert sum(found["counts"]) == found["samples"] == 150 and found["classifier"] == "digits"
    assert (
        found["present"] == sum(count > 1.5 for count in found["counts"])
        and 0.1 < found["confidence"] <= 1
    )
    # Without training: samples are noise, validation images are not.
    assert (
        found["nearest_training_image"]["samples"] > found["nearest_training_image"]["validation"]
        and found["frechet"] > 0
    )
    printed = capsys.readouterr().out
    assert "reverse KL" in printed and "real data" in printed
    blank = (
        "Left blank: density, precision, recall, where the classifier is unsure of over 90% "
        "of the samples."
    )
    assert (
        (blank in " ".join(printed.split()))
        == (found["unclear"] > 0.9)
        == (found["precision"] is None)
    )
    shares = np.bincount(data.load_dataset("mnist", data_dir).train_labels) / 640
    present = np.count_nonzero(found["counts"])
    assert found["reverse_kl"] == pytest.approx(
        stats.entropy(found["counts"], shares) - (present - 1) / 300
    )
    assert found["chi_square_p"] == pytest.approx(
        stats.chisquare(found["counts"], 150 * shares).pvalue
    )
    assert found["by_epoch"]["epoch"] == [0, 2, 3] and len(found["by_epoch"]["reverse_kl"]) == 3
    assert (
        0 <= found["of_data"]["unclear"] <= 1
        and found["coverage"] < 0.9 < found["of_data"]["coverage"]
    )
    evaluate(results, "many/unroll=0/seed=0", data_dir=data_dir)
    assert "With --classifier RUN, a run that classifies mnist" in capsys.readouterr().out
    assert not [*paths[0].parent.glob("labels.*")] and (paths[0].parent / "nearest.png").exists()


def test_evaluation_of_the_ring(results):
    paths = evaluate(results, "ring")
    found = json.loads(paths[0].read_text())
    assert found["samples"] == 2500 and found["modes"] == sum(
        count >= 20 for count in found["counts"]
    )
    assert found["near"] == pytest.approx(sum(found["counts"]) / 2500)
    assert (results / "ring" / "samples" / "epoch_0001.png").exists() and (
        results / "ring" / "labels.png"
    ).exists()
    assert not list((results / "ring" / "samples").glob("*.svg"))  # which training has no time for
    (_, (_, last)), ring = runs.load_samples(runs.load(results / "ring")), data.GAUSSIANS["ring"]
    near = (np.linalg.norm(last[:, None] - ring.centres, axis=-1) <= 3 * ring.deviation).sum(axis=0)
    assert (
        found["by_epoch"]["epoch"] == [0, 1]
        and found["by_epoch"]["modes"][1] == (near >= 20).sum() < 4
    )
    assert (
        found["collapsed"] == 1
        and found["of_data"]["modes"] == 8
        and 0.98 < found["of_data"]["near"] < 0.995
    )
    assert found["seen"] == np.count_nonzero(found["counts"])
    broken = results / "ring" / "samples" / "epoch_0001.npz"
    for content in (b"nothing", np.ones((3, 5))):
        with open(broken, "wb") as file:
            file.write(content) if isinstance(content, bytes) else np.savez(file, samples=content)
        with pytest.raises(UserError, match=r"epoch_0001\.npz: not readable as samples"):
            evaluate(results, "ring")
    broken.unlink()


def test_all_runs_are_compared_one_kind_after_the_other(results, capsys):
    paths = evaluate(results, "*")
    folders = [*dict.fromkeys(path.parent.name for path in paths)]
    assert folders == ["all,classifiers", "all,gans"]
    for folder in folders:
        assert {"table.md", "table.csv", "learning_curves.png"} <= {
            path.name for path in paths if path.parent.name == folder
        }
    printed = capsys.readouterr().out
    assert (
        printed.index("all,classifiers")
        < printed.index("val. accuracy")
        < printed.index("all,gans")
    )
    assert printed.index("all,gans") < printed.index("generator loss")
    evaluate(results, "*", export="markdown")
    printed = capsys.readouterr().out
    assert printed.index("val. accuracy") < printed.index("generator loss")
    with pytest.raises(UserError, match="export csv: GANs and classifiers have other columns"):
        evaluate(results, "*", export="csv")
    (strip,) = evaluate(results, "many", "digits", strip=[0, 2])  # the GANs'
    assert strip.name == "strip.png"
    (results / "ring" / "evaluation.json").unlink(missing_ok=True)
    paths = evaluate(
        results, "ring", "digits", samples=100
    )  # only a GAN is evaluated by samples, both are compared
    assert {path.parent.name for path in paths} == {"ring,digits,classifiers", "ring,digits,gans"}
    assert json.loads((results / "ring" / "evaluation.json").read_text())["samples"] == 100


def test_several_gans_are_evaluated_before_they_are_compared(results, data_dir):
    paths = evaluate(
        results,
        "many/unroll=0",
        "many/unroll=1/seed=0",
        classifier="digits",
        samples=150,
        data_dir=data_dir,
    )
    assert [path.name for path in paths] == [
        "table.md",
        "table.csv",
        "learning_curves.png",
        "labels.png",
        "over_time.png",
    ]
    table = paths[0].read_text()
    folders = runs.named(results, ["many"])
    values = [
        json.loads((folder / "evaluation.json").read_text())["reverse_kl"] for folder in folders[:2]
    ]
    half_width = 12.7062 * abs(values[0] - values[1]) / 2  # Student's t for two runs
    assert f"{np.mean(values):.4f} ± {half_width:.4f}" in table and "classes over 1%" in table
    with open(paths[1], newline="") as file:  # in which some settings are called as a measure is
        rows = list(csv.DictReader(file))
    finals = [runs.load(folder).history.final["generator_loss"] for folder in folders[:2]]
    assert (
        float(rows[0]["generator_loss"]) == pytest.approx(np.mean(finals))
        and 0 <= float(rows[0]["coverage"]) <= 1
    )
    assert (rows[0]["generator_loss_setting"], rows[0]["precision_setting"]) == (
        "non-saturating",
        "float32",
    )
    assert "(real data)" in table and "Fréchet distance" in table
    with pytest.raises(UserError, match="GANs and classifiers"):
        comparison.collect(results, [*folders, results / "digits"])
    evaluated = (folders[0] / "evaluation.json").read_text()
    (folders[0] / "evaluation.json").write_text('{"reverse_kl": "low"}')
    with pytest.raises(
        UserError, match=r'not what evaluate\.py writes .*"reverse_kl".*\. Evaluate the run again'
    ):
        comparison.collect(results, folders)
    (folders[0] / "evaluation.json").write_text(evaluated)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ["-m", "many/unroll=0/seed=0", "--classifier", "digits", "--samples", "99"],
            "at least 100",
        ),
        (
            ["-m", "many/unroll=0/seed=0", "--classifier", "many/unroll=0/seed=1"],
            "is a GAN, not a classifier",
        ),
        (["-m", "many/unroll=0/seed=0", "--classifier", "nowhere"], "no run at"),
        (
            ["-m", "many/unroll=0/seed=0", "--classifier", "many"],
            "holds several runs: name one of them, as",
        ),
        (["-m", "many/unroll=0/seed=0", "--images", "x.png"], "only classifiers predict pictures"),
        (["-m", "ring", "--classifier", "digits"], "its modes are known"),
        (["-m", "digits", "--samples", "100"], "are for GANs, but"),
        (
            ["-m", "many", "--samples", "100", "--published", "x.csv"],
            "published figures of classifiers only",
        ),
        (["-m", "many", "--published", "x.csv"], "published figures of classifiers only"),
        (["-m", "many", "--images", "x.png"], "name one run"),
    ],
)
def test_what_gans_and_classifiers_cannot_be_evaluated_with(flags, said, results, data_dir):
    assert_refused(call("evaluate", *flags, "--results-dir", results, "--data-dir", data_dir), said)


@pytest.mark.parametrize("flags", [["--samples", "100"], ["--classifier", "digits"]])
def test_several_gans_of_which_none_is_finished(flags, results, tmp_path):
    """Once a traceback."""
    for seed in (0, 1):
        folder = tmp_path / "unfinished" / f"seed={seed}"
        shutil.copytree(results / "many" / "unroll=0" / "seed=0", folder)
        history = json.loads((folder / "history.json").read_text())
        (folder / "history.json").write_text(json.dumps(history | {"status": "training"}))
    done = call("evaluate", "-m", "unfinished", *flags, "--results-dir", tmp_path)
    assert_refused(done, "none of these runs is finished")


def test_a_classifier_of_other_data_is_refused(results, tmp_path):
    for name in ("digits", "many/unroll=0/seed=0"):
        shutil.copytree(results / name, tmp_path / name)
    record = json.loads((tmp_path / "digits" / "config.json").read_text())
    record["dataset"]["name"] = record["settings"]["dataset"] = "fashion_mnist"
    (tmp_path / "digits" / "config.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match="was trained on fashion_mnist, the GAN on mnist"):
        evaluate(tmp_path, "many/unroll=0/seed=0", classifier="digits")


def test_a_classifier_of_digits_serves_other_sets_of_digits(results, data_dir):
    """Also stacked ones, each colour by itself."""
    run, classifier = runs.load(results / "many/unroll=0/seed=0"), runs.load(results / "digits")
    for name in ("mnist5k", "stacked_mnist"):
        record = run.record.model_copy(
            update={"dataset": run.record.dataset.model_copy(update={"name": name})}
        )
        gans.check(run._replace(record=record), classifier, 100)
    stacked, model = data.load_dataset("stacked_mnist", data_dir), archive.load_model(classifier)
    images = stacked.validation_images[:50]
    found = measures.label(images, model)
    each = [measures.label(images[..., colour, None], model) for colour in range(3)]
    assert found.classes.tolist() == [
        100 * a + 10 * b + c for a, b, c in zip(*(one.classes for one in each))
    ]
    np.testing.assert_allclose(
        found.confidences, np.prod([one.confidences for one in each], axis=0), rtol=1e-5
    )
    assert found.features.shape == (50, 3 * 32)


def test_gans_are_told_apart_by_ranks_and_counts_of_runs(results, capsys):
    for unroll in (0, 1):
        for seed in (0, 1):
            path = results / f"many/unroll={unroll}/seed={seed}/evaluation.json"
            path.write_text(
                json.dumps(
                    {"collapsed": [0.6, 0.0][unroll], "frechet": [10 * seed, 50.0 + seed][unroll]}
                )
            )
    comparison.show_difference(results, ["many/unroll=0", "many/unroll=1"])
    printed = " ".join(capsys.readouterr().out.split())
    assert re.search(
        r"Fréchet distance │ 5\.0 \(0\.0 to 10\.0\) │ 50\.5 ± \S+ │ \+46 │ - │ - │ 0\.33", printed
    )  # 6 orders, both ends
    assert "no p can" not in printed and "cannot be below 0.33" in printed
    assert "in collapse for most epochs │ 2 of 2 │ 0 of 2 │ 0.33" in printed and "Fisher" in printed


def test_losses_that_are_no_numbers_stop_the_run_and_keep_the_last_pictures(arrays, tmp_path):
    with pytest.raises(UserError, match="smaller --learning-rate"):
        train_in(DENSE.replace(learning_rate=1e30, sample_every=1), arrays, tmp_path / "wild")
    history = runs.load(tmp_path / "wild").history
    pictures = [path.name for path in (tmp_path / "wild" / "samples").glob("*.png")]
    assert (
        history.status == "diverged"
        and "epoch_0000.png" in pictures
        and len(pictures) == history.epochs
    )
    assert (
        not (tmp_path / "wild" / "model.keras").exists()
        and (tmp_path / "wild" / "samples.gif").exists()
    )


@pytest.mark.processes
def test_the_scripts_train_and_evaluate_a_gan(data_dir, tmp_path):
    places = "--data-dir", data_dir, "--results-dir", tmp_path
    flags = (
        "--net",
        "gan-conv",
        "--dataset",
        "mnist",
        "--epochs",
        1,
        "--steps-per-epoch",
        1,
        "--batch-size",
        16,
    )
    done = script("train", "-m", "conv", *flags, "--betas", "0.4,0.9", *places)
    assert done.returncode == 0 and "generator_loss" in done.stdout and not done.stderr, done.stderr
    assert runs.load(tmp_path / "conv").settings.betas == (0.4, 0.9)
    done = call("evaluate", "-m", "conv", "--samples", 200, *places)
    assert done.returncode == 0 and "samples.png, nearest.png" in done.stdout, done.stderr


def test_other_data_than_a_run_was_trained_on_come_with_a_note(results, data_dir, capsys):
    run = runs.load(results / "digits")
    other = run.record.model_copy(
        update={"dataset": run.record.dataset.model_copy(update={"sha256": "another"})}
    )
    for one, said in (
        (run, ""),
        (run._replace(record=other), "not the one that the run was trained on"),
    ):
        data_of(one, data_dir)
        printed = capsys.readouterr().out
        assert said in printed and bool(said) == bool(printed)


def test_captions_claim_no_certainty_and_keep_the_end_of_a_files_name():
    assert [classifiers.percent(share) for share in (0.456, 0.99, 0.9983, 1.0)] == [
        "46%",
        "99%",
        ">99%",
        ">99%",
    ]
    assert figures.shortened("a.png") == "a.png"
    assert figures.shortened("a-picture-of-a-three-012.png") == "a-picture-of-a…012.png"


def test_of_many_classes_the_tables_show_twenty(tmp_path, capsys):
    labels = np.arange(60) % 30
    images = (labels * 8).astype(np.uint8)[:, None, None, None] * np.ones((1, 8, 12, 1), np.uint8)
    classes = tuple(f"c{index}" for index in range(30))
    arrays = data.Arrays(images, labels, images[:30], labels[:30], classes, "mine.npz")
    train_in(
        Settings(net="dense", hidden=(8,), dataset="mine.npz", epochs=1, batch_size=15),
        arrays,
        tmp_path / "many",
    )
    run = runs.load(tmp_path / "many")
    capsys.readouterr()
    paths = classifiers.evaluate_classifier(run, archive.load_model(run), arrays)
    printed = capsys.readouterr().out
    assert (
        "the 20 of 30 with the lowest recall" in " ".join(printed.split())
        and printed.count("│ c") == 20
    )
    assert (
        len(json.loads(paths[0].read_text())["recall"]) == 30
        and not (run.folder / "confusion.svg").exists()
    )
    gans.show_labels(
        {"counts": [*range(30)], "classes": classes, "samples": 435, "shares": [1 / 30] * 30},
        "a GAN",
    )
    printed = capsys.readouterr().out
    assert printed.index("c29") < printed.index("c10") and "c9 " not in printed
