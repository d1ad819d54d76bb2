"""The three scripts, as a user runs them."""

import importlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from lab import runs
from lab.backend import devices
from lab.settings import Settings
from lab.training import engine
from tests.conftest import ROOT, assert_refused, call, files_of, script, write_npz
from tests.helpers import imported_by, read

pytestmark = pytest.mark.processes

SMALL = ("--hidden", "20", "--epochs", "3", "--batch-size", "64")


@pytest.fixture(scope="module")
def results(tmp_path_factory, data_dir):
    """A results folder with the finished run "first", with weight decay, and what its training
    printed.
    """
    folder = tmp_path_factory.mktemp("results")
    done = script(
        "train",
        "-m",
        "first",
        "-r",
        "1e-3",
        *SMALL,
        "--data-dir",
        data_dir,
        "--results-dir",
        folder,
    )
    assert done.returncode == 0, done.stderr
    (folder / "printed.txt").write_text(done.stdout)
    assert done.stderr == ""  # no framework log lines
    return folder


def snapshot(folder):
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


SLOW = {"tensorflow", "keras", "numpy", "matplotlib"}


@pytest.mark.parametrize("name", ["train", "evaluate", "visualize"])
def test_help_teaches_and_does_not_import_tensorflow(name):
    done, imported = imported_by(name, "-h")
    assert done.returncode == 0
    assert "examples:" in done.stdout and "--data-dir" in done.stdout
    assert not imported & SLOW


def test_a_run_that_another_cannot_be_like_is_found_before_anything_slow_is_imported():
    done, imported = imported_by(
        "train",
        "-m",
        "x",
        "--like",
        "dense",
        "-c",
        "--results-dir",
        str(ROOT / "tests" / "earlier"),
    )
    assert done.returncode == 2 and "--like dense stands for --hidden 5" in done.stderr
    assert "pydantic" in imported and not imported & SLOW


@pytest.mark.processes
@pytest.mark.parametrize("name", ["train", "evaluate", "visualize"])
def test_outside_the_virtual_environment_a_line_says_what_to_do(name):
    command = [
        sys.executable,
        "-S",
        str(ROOT / f"{name}.py"),
        "-m",
        "x",
    ]  # -S: without the packages
    assert_refused(
        subprocess.run(command, capture_output=True, text=True), "source .venv/bin/activate"
    )


@pytest.mark.parametrize("name", ["train", "evaluate", "visualize"])
def test_help_fits_into_80_columns(name, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = call(name, "-h").stdout.splitlines()
    assert len(lines) > 20 and max(map(len, lines)) <= 80
    assert not [line for line in lines if line.endswith("-")]  # no name is broken at its hyphen


def test_train_help_shows_every_default():
    text = " ".join(call("train", "-h").stdout.split())
    for flag, default in (
        ("--batch-size", "128"),
        ("--epochs", "10"),
        ("--hidden", "200,100"),
        ("--device", "auto"),
    ):
        assert re.search(rf"{flag} [^-]*\(default[^)]*: {default}[;)]", text), flag


def test_train_writes_a_run_and_says_where(results):
    folder = results / "first"
    assert files_of(folder) == ["config.json", "history.json", "learning_curve.png", "model.keras"]
    printed = (results / "printed.txt").read_text()
    assert "Total params: 15,910" in printed
    assert (
        len(
            re.findall(
                r"^epoch +\d/3  accuracy .* \(val .*\)  loss .* \(val .*\)  \d+\.\d\d s$",
                printed,
                re.M,
            )
        )
        == 3
    )
    assert str(folder) in printed and "model.keras" in printed
    config, history = read(folder, "config.json"), read(folder, "history.json")
    assert config["parameters"] == 15_910 and config["settings"]["regularizer_strength"] == 1e-3
    assert config["dataset"]["name"] == "mnist" and config["dataset"]["train"] == 640
    assert history["status"] == "complete" and history["device"].startswith("CPU")
    assert {
        len(history[name])
        for name in ("loss", "accuracy", "val_loss", "val_accuracy", "epoch_seconds")
    } == {3}
    with Image.open(folder / "learning_curve.png") as image:
        assert image.format == "PNG"


def test_evaluate_prints_what_training_recorded(results, data_dir):
    done = script("evaluate", "-m", "first", "--data-dir", data_dir, "--results-dir", results)
    assert done.returncode == 0 and done.stderr == ""
    names = (
        "Training loss",
        "Training accuracy",
        "Validation loss",
        "Validation accuracy",
        "Weight decay penalty",
    )
    printed = {
        name: float(re.search(rf"^{name}: ([\d.]+)", done.stdout, re.M)[1]) for name in names
    }
    history, evaluation = (
        read(results / "first", "history.json"),
        read(results / "first", "evaluation.json"),
    )
    assert printed["Validation accuracy"] == round(history["val_accuracy"][-1], 4)
    assert evaluation["validation"]["loss"] + evaluation["penalty"] == pytest.approx(
        history["val_loss"][-1], rel=1e-5
    )
    assert printed["Validation loss"] == round(evaluation["validation"]["loss"], 4)
    beside = f" (evaluated; in the history, while learning: {history['accuracy'][-1]:.4f})"
    assert f"Training accuracy: {printed['Training accuracy']:.4f}{beside}" in done.stdout
    beside = (
        " (evaluated; in the history, as cross-entropy + weight decay l2 0.001: "
        f"{history['val_loss'][-1]:.4f})"
    )
    assert f"Validation loss: {printed['Validation loss']:.4f}{beside}" in done.stdout
    assert np.sum(evaluation["confusion"]) == 200
    assert "No filters.png" in done.stdout
    for file in ("mistakes.png", "confusion.png", "weights.png"):
        assert (results / "first" / file).stat().st_size > 1000


@pytest.mark.slow
def test_the_filter_net_on_colour_and_its_filters(tmp_path):
    random = np.random.default_rng(0)
    images, labels = random.integers(0, 256, (80, 32, 32, 3), np.uint8), np.arange(80) % 10
    write_npz(tmp_path / "cifar10.npz", images, labels, images[:20], labels[:20])
    places = ["-m", "colour", "--data-dir", tmp_path, "--results-dir", tmp_path]
    flags = [
        "--net",
        "filter",
        "--dataset",
        "cifar10",
        "--batch-size",
        "32",
        "--epochs",
        "1",
        "--batch-norm",
        "--threads",
        "2",
    ]
    done = script("train", *places, *flags)
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "colour", "config.json")["parameters"] == 247_306
    done = call("evaluate", *places)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "colour" / "filters.png").exists() and not (
        tmp_path / "colour" / "weights.png"
    ).exists()


def test_evaluate_predicts_a_users_own_pictures(results, tmp_path):
    Image.fromarray(np.pad(np.zeros((30, 4), np.uint8), 10, constant_values=255)).save(
        tmp_path / "one.png"
    )
    done = call(
        "evaluate", "-m", "first", "--results-dir", results, "--images", tmp_path / "one.png"
    )
    assert done.returncode == 0 and "one.png" in done.stdout
    assert (results / "first" / "pictures.png").exists()


def test_visualize_writes_its_figures_without_tensorflow(data_dir, tmp_path):
    flags = ["--data-dir", data_dir, "--results-dir", tmp_path]
    done, imported = imported_by("visualize", *flags)
    assert done.returncode == 0
    assert not imported & {"tensorflow", "keras"}
    assert "(640, 28, 28, 1)" in done.stdout and "uint8" in done.stdout
    folder = tmp_path / "datasets" / "mnist"
    names = ["classes", "embedding", "means", "training_examples", "validation_examples"]
    assert sorted(path.stem for path in folder.glob("*.png")) == names
    assert sorted(path.name for path in folder.iterdir() if path.suffix != ".png") == [
        "classes.svg",
        "embedding.svg",
    ]


def test_a_notebooks_backend_and_show_without_a_display(data_dir, tmp_path):
    flags = ["--data-dir", data_dir, "--results-dir", tmp_path]
    environment = {key: value for key, value in os.environ.items() if key != "DISPLAY"}
    environment["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    assert script("visualize", *flags, env=environment).returncode == 0
    assert_refused(
        call("train", "-m", "x", "--show", *flags), "display"
    )  # matplotlib's backend in the tests is agg


def test_the_same_seed_gives_the_same_history_with_flags_from_a_file_or_of_a_run(
    results, data_dir, tmp_path
):
    (tmp_path / "my.args").write_text(
        "# a comment\n--hidden 20\n--epochs 3   # few\n--batch-size 64\n\n-r "
        "1e-3\n--early-stopping 3\n"
    )
    flags = ["--data-dir", data_dir, "--results-dir", tmp_path, f"@{tmp_path / 'my.args'}"]
    assert call("train", "-m", "again", *flags).returncode == 0
    assert call("train", "-m", "a/like", "--like", "again", *flags[:4]).returncode == 0
    first, *others = (
        read(folder, "history.json")
        for folder in (results / "first", tmp_path / "again", tmp_path / "a/like")
    )
    for name in ("loss", "accuracy", "val_loss", "val_accuracy"):
        assert all(first[name] == other[name] for other in others)
    again, like = (read(tmp_path / name, "config.json") for name in ("again", "a/like"))
    assert again["settings"]["early_stopping"] == 3
    command = (
        "python train.py -m a/like --hidden 20 --regularizer-strength 0.001 --batch-size 64 "
        "--epochs 3 --early-stopping 3"
    )
    assert like.pop("command") == f"{command} --dataset mnist"
    assert again.pop("command") and again == like


def test_offline_without_data_the_default_is_mnist5k_with_the_conv_net_and_holdout(tmp_path):
    flags = ["--results-dir", tmp_path, "--epochs", "1"]
    flags += ["--precision", "bfloat16", "--threads", "1", "--tensorboard"]
    done = script("train", "-m", "sub/conv", "-c", "--holdout", "500", *flags)
    assert done.returncode == 0, done.stderr
    assert list((tmp_path / "sub" / "conv" / "tensorboard").rglob("events*"))
    assert done.stdout.splitlines()[0].startswith("MNIST is not on this machine")
    config = read(tmp_path / "sub" / "conv", "config.json")
    assert config["parameters"] == 7240
    assert (
        config["dataset"]["name"],
        config["dataset"]["train"],
        config["dataset"]["validation"],
    ) == ("mnist5k", 3500, 500)
    assert "1 thread" in config["device"]
    done = call("evaluate", "-m", "sub/conv", "--results-dir", tmp_path)
    assert done.returncode == 0 and "Note" not in done.stdout
    accuracy = read(tmp_path / "sub" / "conv", "history.json")["val_accuracy"][-1]
    assert f"Validation accuracy: {accuracy:.4f}" in done.stdout


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "-m/--model-name"),
        (["-m", "../x"], "not a run's name"),
        (["-m", "/x"], "not a run's name"),
        (["-m", ""], "not a run's name"),
        (["-m", ".."], "not a run's name"),
        (["-m", "comparisons"], "choose another name"),
        (["-m", "datasets/mnist", "--repeats", "2"], "choose another name"),
        (["-m", "first"], "--overwrite"),
        (["-m", "x", "-d", "-c"], "not allowed with"),
        (["-m", "x", "--net", "cubist"], "choose from dense, conv"),
        (["-m", "x", "--dataset", "imagenet"], "choose from mnist"),
        (["-m", "x", "--activation", "step"], "choose from relu"),
        (["-m", "x", "--optimizer", "luck"], "choose from adam"),
        (["-m", "x", "--regularizer", "l3"], "choose from l2"),
        (["-m", "x", "--hidden", "200,0"], "hidden units"),
        (["-m", "x", "--hidden=-5"], "hidden units"),
        (["-m", "x", "--hidden", "many"], "whole numbers"),
        (["-m", "x", "--hidden", "10", "-c"], "--hidden is for dense"),
        (["-m", "x", "-r", "-1"], "regularizer strength"),
        (["-m", "x", "-r", "nan"], "regularizer strength"),
        (["-m", "x", "--epochs", "0"], "epochs"),
        (["-m", "x", "--batch-size", "0"], "batch size"),
        (
            ["-m", "x", "--net", "gan-dense", "--batch-size", "64", "--steps-per-epoch", "11"],
            "more than the data have",
        ),
        (["-m", "x", "--epochs", "many"], "epochs must be a whole number"),
        (["-m", "x", "--holdout", "640"], "cannot hold out"),
        (["-m", "x", "--unroll", "5"], "--unroll is for GANs"),
        (["-m", "x", "--net", "gan-dense", "--dropout", "0.5"], "--dropout is for classifiers"),
        (["-m", "x", "--net", "gan-dense", "--betas", "0.5"], "two numbers"),
        (["-m", "x", "--threads", "0"], "threads"),
        (["-m", "x", "--device", "gpu"], "tensorflow[and-cuda]"),
        (["-m", "x", "--device", "abacus"], "choose from auto"),
        (["-m", "x", "--data-dir", "/nowhere"], "no data folder"),
        (["-m", "x", "--dataset", "cifar10"], "put cifar10.npz"),
        (["-m", "x", "--results-dir", "/proc/x"], "/proc"),
        (["-m", "x", "@nowhere.args"], "nowhere.args"),
        (["-m", "x", "@results"], "results"),
        (["-m", "x", f"@{ROOT / 'tests' / 'bad.args'}"], "@FILE"),
        (["-m", "x", "--colour", "red"], "--colour"),
    ],
)
def test_bad_flags_get_one_line_status_2_and_change_nothing(flags, said, results, data_dir):
    before = snapshot(results)
    defaults = ["--results-dir", str(results), "--data-dir", str(data_dir)]
    done = call("train", *defaults, *flags)
    assert_refused(done, said)
    assert done.stderr.startswith("train.py: error: ")
    assert snapshot(results) == before
    assert [path.name for path in results.iterdir() if path.is_dir()] == ["first"]


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        (
            "train",
            "--lr 0.1 --bacth-size=3 --epoch 3",
            "--lr (did you mean --learning-rate?) 0.1 --bacth-size=3 (did you",
        ),
        ("evaluate", "--treads 2", "arguments: --treads (did you mean --threads?) 2 (see"),
        ("visualize", "--data_dir x", "--data_dir (did you mean --data-dir?) x (see"),
        ("train", "--colour red", "arguments: --colour red (see"),
        (
            "train",
            "--activation Relu",
            "unknown activation 'Relu' (did you mean relu?): choose from",
        ),
        (
            "train",
            "--sweep learnin-rate 1 2",
            "no such setting (did you mean learning-rate?); choose from",
        ),
        (
            "train",
            "recipes/hidden-units.args",
            "; for flags from a file, write @recipes/hidden-units.args (see",
        ),
        ("train", f"{ROOT}/README.md", f"write @{ROOT}/README.md (see"),
        ("train", "--images x.png", "arguments: --images (a flag of evaluate.py) x.png (see"),
        ("visualize", "--images", "arguments: --images (a flag of evaluate.py) (see"),
        ("evaluate", "--epochs=3", "arguments: --epochs=3 (a flag of train.py) (see"),
        (
            "train",
            "--hidden 100 50",
            "50 (--hidden takes its values with commas between them: --hidden 100,50) (see",
        ),
        (
            "train",
            "--kernels 5 3 3 -c",
            "3 (--kernels takes its values with commas between them: --kernels 5,3,3) 3 (see train",
        ),
        (
            "train",
            "-r 0 1e-4",
            "1e-4 (-r takes one value; to train with each: --sweep regularizer-strength 0 "
            "1e-4) (see",
        ),
        ("evaluate", "--threads 1 2", "arguments: 2 (--threads takes one value) (see"),
        ("train", "-m my run", "arguments: run (a name has no spaces: -m my_run) (see"),
        ("train", "--gpu", "arguments: --gpu (did you mean --device gpu?) (see"),
        ("evaluate", "--cpu", "arguments: --cpu (did you mean --device cpu?) (see"),
        (
            "train",
            "--sgd --tanh",
            "--sgd (did you mean --optimizer sgd?) --tanh (did you mean --activation tanh?) (see",
        ),
        ("train", "–r 1e-4", "arguments: –r (did you mean -r?) 1e-4 (see"),
        ("train", "—epochs=3", "arguments: —epochs=3 (did you mean --epochs?) (see"),
        ("train", "-r 0,0001", "got '0,0001' (did you mean 0.0001?) (see"),
        ("train", "--learning-rate 1e–4", "got '1e–4' (did you mean 1e-4?) (see"),
        ("train", "--hidden 100;50", "got '100;50' (did you mean 100,50?) (see"),
        ("train", "--epochs many", "got 'many' (see"),
        ("train", "--epochs 1,000", "got '1,000' (did you mean 1000?) (see"),
        ("train", "--epochs 1.000", "got '1.000' (did you mean 1000?) (see"),
        ("train", "--hidden 100, 50", "got '100,' (without a space: 100,50) (see"),
        ("train", "--hidden 100 , 50", "--hidden 100,50) 50 (see"),
        ("train", "--hidden 100,5O", "got '100,5O' (see"),
        ("train", "-r l2", "got 'l2' (see"),
        ("train", "-r 1e-4 l1", "arguments: l1 (see"),
        ("train", "--holdout 10%", "got '10%' (see"),
        ("train", "--learning-rate 5e", "got '5e' (see"),
        ("train", "--epochs ３", "got '３' (did you mean 3?) (see"),
        ("train", "--no-overwrite", "arguments: --no-overwrite (see"),
        ("train", "--filter 20,10", "--filter (did you mean --filters?) 20,10 (see"),
        ("train", "--precision float64", "unknown precision 'float64': choose from"),
        (
            "train",
            "--weight-decay 1e-4",
            "--weight-decay (did you mean --regularizer-strength?) 1e-4 (see",
        ),
        ("train", "--hidden-units 50", "--hidden-units (did you mean --hidden?) 50 (see"),
        ("train", "-hidden 8", "arguments: -hidden (did you mean --hidden?) (see"),
        ("train", "-model=q", "arguments: -model=q (did you mean --model-name?) (see"),
        ("train", "--seed 1 2 3", "arguments: 2 (several seeds: --repeats 3) 3 (see"),
        ("train", "--batch-norm true", "arguments: true (--batch-norm takes no value) (see"),
        (
            "train",
            "--batch-norm true false",
            "arguments: true (--batch-norm takes no value) false (see",
        ),
        ("train", "--??", "arguments: --?? (see"),
        (
            "train",
            "--epochs 3 --batch-size 4 3",
            "3 (--batch-size takes one value; to train with each: --sweep batch-size 4 3) (see",
        ),
        ("train", "--epochs -r 1e-4", "argument --epochs: expected one argument (see"),
        (
            "train",
            "--sweep --learning-rate 1e-3 1e-4",
            "name it without its dashes, as in --sweep learning-rate A B (see",
        ),
        (
            "train",
            "--sweep learning-rate 1e-3,1e-4",
            "; between values stand spaces: --sweep learning-rate 1e-3 1e-4",
        ),
        ("train", "--sweep seeds 1 2", "--sweep seeds: use --repeats N"),
        (
            "train",
            "--repeats –3",
            "repeats must be a whole number, got '–3' (did you mean -3?) (see",
        ),
        ("train", "--search 2 --target-accuracy 0,97", "got '0,97' (did you mean 0.97?) (see"),
        ("evaluate", "--export LaTeX", "(did you mean latex?) (see"),
        ("visualize", "--theory Polynomial", "(did you mean polynomial?) (see"),
        ("train", "-m --", "argument -m/--model-name: expected one argument (see"),
        (
            "train",
            "-m x --results-dir=--",
            "argument --results-dir: expected a value, got '--' (see",
        ),
        (
            "train",
            "--model-name=-- --epochs 1",
            "argument --model-name: expected a value, got '--' (see",
        ),
        ("evaluate", "-m a --images=--", "argument --images: expected a value, got '--' (see"),
        ("evaluate", "-m=--", "argument -m: expected a value, got '--' (see"),
        ("visualize", "--theory=--", "argument --theory: expected a value, got '--' (see"),
        ("train", "-m x -r 1e-4, --epochs 2", "(without the comma: 1e-4)"),
        (
            "train",
            "-d -r -x",
            "a value that begins with a dash is written as --regularizer-strength=-x (see",
        ),
    ],
)
def test_what_was_meant_is_suggested(name, flags, said):
    assert_refused(call(name, *(() if name == "visualize" else ("-m", "x")), *flags.split()), said)
    if flags.endswith(".args"):  # which names the run itself
        assert_refused(call(name, *flags.split()), said)


@pytest.mark.parametrize("name", ["unet", "amodel", "stop", "aseed", "mnet=1", "no-show"])
def test_a_value_may_end_as_a_flag_does(name, tmp_path):
    assert_refused(
        call("evaluate", "-m", name, "--images", "/images", "--results-dir", tmp_path), "no run at"
    )
    assert_refused(
        call("train", "-m", name, "--like", "xseed", "--results-dir", tmp_path), "no run at"
    )


def test_a_misspelt_name_of_a_run_is_named(tmp_path):
    assert_refused(
        call("train", "--model", "q"),
        "required: -m/--model-name; unrecognized: --model (did you mean --model-name?) (",
    )
    assert_refused(
        call("evaluate", "--compare", "a", "b"), "is required; unrecognized: --compare (see"
    )
    shutil.copytree(ROOT / "tests" / "earlier" / "dense", tmp_path / "dense")
    for flags in (["-m", "dense/"], ["--diff", "dense/", "dense"]):  # as a shell completes it
        assert call("evaluate", *flags, "--results-dir", tmp_path).returncode == 0


def test_a_broken_data_file_is_found_before_anything_is_written(results, tmp_path):
    before = snapshot(results)
    (tmp_path / "mnist.npz").write_bytes(b"PK\x03\x04 broken")
    for name, flags in (("train", ["-m", "x"]), ("visualize", []), ("evaluate", ["-m", "first"])):
        assert_refused(
            call(name, *flags, "--results-dir", results, "--data-dir", tmp_path), "mnist.npz"
        )
    assert snapshot(results) == before


def test_the_same_command_again_says_that_it_is_done_and_another_what_differs(results, data_dir):
    before = snapshot(results)
    places = ["--data-dir", data_dir, "--results-dir", results]
    done = call(
        "train",
        "-m",
        "first",
        "-r",
        "0.001",
        *SMALL,
        "--batch-size",
        "64",
        "--optimizer",
        "adam",
        *places,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{results / 'first'}: is done already; --overwrite trains it again." in " ".join(
        done.stdout.split()
    )
    other = ["-m", "first", "-r", "1e-2", *SMALL, "--epochs", "4", *places]
    said = (
        "holds a run with other settings: regularizer-strength 0.001, not 0.01, epochs 3, not "
        "4: choose another name"
    )
    assert_refused(call("train", *other), said)
    assert snapshot(results) == before


def test_an_unfinished_run_is_refused_before_tensorflow_starts(results, data_dir, tmp_path):
    shutil.copytree(results / "first", tmp_path / "first")
    history = read(tmp_path / "first", "history.json") | {"status": "training"}
    (tmp_path / "first" / "history.json").write_text(json.dumps(history))
    flags = ["-m", "first", *SMALL, "--data-dir", str(data_dir), "--results-dir", str(tmp_path)]
    done, imported = imported_by("train", *flags)
    said = (
        "To resume it: python train.py -m first --hidden 20 --regularizer-strength 0.001 "
        "--batch-size 64 --epochs 3 --dataset"
    )
    assert (
        done.returncode == 2
        and "other settings: regularizer-strength 0.001, not 0: choose" in done.stderr
        and said in done.stderr
    )
    assert "numpy" in imported and not imported & {"tensorflow", "keras"}


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--device", "GPU"], "choose from auto"),
        (["--threads", "0"], "threads"),
        (["--threads", "100000"], "threads"),
        (["--images", "nowhere.png"], "nowhere.png"),
        (["--data-dir", "/nowhere"], "no data folder"),
    ],
)
def test_bad_flags_of_evaluate(flags, said, results, data_dir):
    before = snapshot(results)
    assert_refused(
        call("evaluate", "-m", "first", "--results-dir", results, "--data-dir", data_dir, *flags),
        said,
    )
    assert snapshot(results) == before


def test_evaluate_of_runs_that_are_none(results, data_dir, tmp_path):
    (tmp_path / "empty").mkdir()
    for name, said in (
        ("nowhere", "or train it first"),
        ("empty", "holds no finished run"),
        ("../first", "not a run's name"),
    ):
        assert_refused(
            call("evaluate", "-m", name, "--results-dir", tmp_path, "--data-dir", data_dir), said
        )
    assert list(tmp_path.iterdir()) == [tmp_path / "empty"]


def test_a_name_that_is_none_is_answered_with_those_that_are(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refused(
        call("evaluate", "-m", "first"),
        f"there is no folder {tmp_path}/results; name the folder of your runs with",
    )
    (tmp_path / "results" / "comparisons").mkdir(parents=True)
    assert_refused(
        call("evaluate", "-m", "first"),
        f"there is no run in {tmp_path}/results; name the folder of your runs with",
    )
    for name in (
        "first",
        *(f"rates/learning-rate={rate}/seed=0" for rate in (0.1, 0.2)),
        *(f"run{n}" for n in range(2, 12)),
    ):
        (tmp_path / "results" / name).mkdir(parents=True)
        (tmp_path / "results" / name / "config.json").touch()
    several = (
        f"{tmp_path}/results holds first, rates, run2, run3, run4 and 7 more; name one of them"
    )
    assert_refused(
        call("evaluate", "-m", "fisrt"), f"no run at results/fisrt (did you mean first?): {several}"
    )
    assert_refused(
        call("train", "-m", "x", "--like", "first/seed=1"),
        f"no run at results/first/seed=1: {several}",
    )
    swept = "holds rates/learning-rate=0.1, rates/learning-rate=0.2; name one of them"
    assert_refused(call("evaluate", "--diff", "rates/learning-rate=1", "first"), swept)


@pytest.mark.parametrize(
    ("flags", "noted"),
    [
        ("--regularizer l1", True),
        ("--regularizer l1 -r 0", True),
        ("--regularizer l1 -r 1e-3", False),
        ("--like decayed", False),
        ("--like decayed -r 0", False),
        ("-r 0", False),
    ],
)
def test_weight_decay_without_a_strength_and_another_backend_are_noted_once(
    flags, noted, results, tmp_path, monkeypatch
):
    decayed = shutil.copytree(results / "first", tmp_path / "my results" / "decayed")
    config = read(decayed, "config.json")
    config["settings"]["regularizer"] = "l1"
    (decayed / "config.json").write_text(json.dumps(config))
    monkeypatch.setattr(
        importlib.import_module("lab.cli.training"),
        "train_here",
        lambda *given: devices.choose_backend(),
    )
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    done = call(
        "train",
        "-m",
        "x",
        *flags.split(),
        "--results-dir",
        tmp_path / "my results",
        "--data-dir",
        "a'b",
    )
    said = ["Note: --regularizer does nothing without a strength: add -r, as in -r 1e-4."] * noted
    said += ["Note: KERAS_BACKEND=jax is ignored: the lab trains on TensorFlow."]
    last = shlex.join(["--results-dir", f"{tmp_path}/my results", "--data-dir", "a'b"])
    assert done.stdout.splitlines() == [*said, f"Next: python evaluate.py -m x {last}"], done.stderr


def test_a_run_that_has_not_learned_is_told_from_one_that_has():
    labels = np.arange(1000) % 10

    def doubt(losses, accuracy, **given):
        nothing = [0.0] * len(losses)
        lists = {
            "loss": losses,
            "accuracy": nothing,
            "val_loss": nothing,
            "val_accuracy": [*nothing[1:], accuracy],
        }
        return engine.doubt(
            Settings(**given),
            runs.History(status="complete", epoch_seconds=nothing, **lists),
            labels,
        )

    assert doubt([2.3, 0.5], 0.9) is doubt([2.3], 0.2) is doubt([0.50, 0.54], 0.9) is None
    assert (
        doubt([0.5, 0.6], 0.9)
        == "the training loss grew from 0.5000 to 0.6000: try a smaller --learning-rate"
    )
    chance = (
        "the validation accuracy ended at chance (0.1100; always the most frequent class: "
        "0.1000): try"
    )
    assert (
        doubt([2.4, 2.3], 0.11, learning_rate=0.5)
        == f"{chance} a smaller --learning-rate, or more --epochs"
    )
    slow = doubt([2.4], 0.11, learning_rate=1e-9, regularizer_strength=1.0)
    assert slow == f"{chance} a smaller -r or another --learning-rate, or more --epochs"


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_its_history(data_dir, tmp_path):
    flags = [
        "--optimizer",
        "sgd",
        "--learning-rate",
        "1e30",
        "--data-dir",
        data_dir,
        "--results-dir",
        tmp_path,
    ]
    assert_refused(call("train", "-m", "wild", *SMALL, *flags), "--learning-rate")
    history = read(tmp_path / "wild", "history.json")
    assert history["status"] == "diverged" and len(history["loss"]) == 1
    assert files_of(tmp_path / "wild") == ["config.json", "history.json", "learning_curve.png"]
    assert_refused(
        call("evaluate", "-m", "wild", "--data-dir", data_dir, "--results-dir", tmp_path),
        "has no model",
    )


def start_long_run(data_dir, results, epochs_to_wait_for=2, *more):
    """Start a run of many epochs, and return when some of them are done; its ``told`` is what it
    printed until then.
    """
    flags = [
        "-m",
        "long",
        "--hidden",
        "20",
        "--epochs",
        "100000",
        "--data-dir",
        data_dir,
        "--results-dir",
        results,
        *more,
    ]
    command = [sys.executable, str(ROOT / "train.py"), *map(str, flags)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.told = ""
    while epochs_to_wait_for:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        process.told += line
        epochs_to_wait_for -= line.startswith("epoch")
    return process


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_keeps_what_was_finished_and_a_second_ends_at_once(
    number, status, data_dir, tmp_path
):
    process = start_long_run(data_dir, tmp_path)
    process.send_signal(number)
    output, errors = process.communicate(timeout=300)
    assert process.returncode == status and errors.strip() == "train.py: interrupted"
    history = read(tmp_path / "long", "history.json")
    epochs = len(history["loss"])
    assert history["status"] == "interrupted" and history["saved_epoch"] == epochs >= 2
    assert f"model and history of the first {epochs} epochs are saved" in " ".join(output.split())
    done = call("evaluate", "-m", "long", "--data-dir", data_dir, "--results-dir", tmp_path)
    assert done.returncode == 0 and f"interrupted after {epochs} epochs" in done.stdout
    evaluation = read(tmp_path / "long", "evaluation.json")
    assert evaluation["validation"]["loss"] == pytest.approx(history["val_loss"][-1], rel=1e-4)
    if number == signal.SIGINT:
        return
    process = start_long_run(
        data_dir, tmp_path, 2, "--batch-size", "128"
    )  # which is the default: the same command
    for _ in range(2):
        process.send_signal(number)
        time.sleep(0.001)
    process.communicate(timeout=300)
    assert f"going on after epoch {epochs} of 100000" in process.told and process.returncode in (
        -number,
        status,
    )
    history = read(tmp_path / "long", "history.json")
    assert len(history["loss"]) >= epochs + 2 and history["status"] in ("training", "interrupted")


@pytest.mark.slow
def test_what_is_written_after_the_last_chunk_may_take_longer_than_a_signal_waits_for_a_chunk(
    data_dir, tmp_path
):
    """As it does on a busy machine: here a figure for which nobody waited if it were a chunk."""
    code = f"""
import os, signal, sys, time
sys.path.insert(0, {str(ROOT)!r})
import train
from lab import cli
from lab.backend import devices
devices.start(devices.Setup("cpu"))
from lab.training import callbacks, recorder
callbacks.PATIENCE, draw, write = 0.5, recorder.learning_curve, recorder.write_json
recorder.learning_curve = lambda *args: (time.sleep(2), draw(*args))[1]
stop = lambda: os.kill(os.getpid(), signal.SIGINT)
write_json = lambda *args, **more: (write(*args, **more), more and stop())
recorder.write_json = write_json  # a signal behind the line of an epoch, not of the end
cli.run(train.main)
"""
    flags = [
        "-m",
        "long",
        "--data-dir",
        data_dir,
        "--results-dir",
        tmp_path,
        *SMALL,
        "--epochs",
        "1000",
    ]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, flags)], capture_output=True, text=True, timeout=300
    )
    assert (done.returncode, done.stderr.strip()) == (130, "-c: interrupted"), done.stderr
    history = read(tmp_path / "long", "history.json")
    assert (history["status"], len(history["loss"])) == ("interrupted", 2) and (
        tmp_path / "long" / "model.keras"
    ).exists()


@pytest.mark.parametrize("seconds", [0.1, pytest.param(0.8, marks=pytest.mark.slow)])
def test_ctrl_c_while_the_first_epoch_is_compiled_leaves_nothing_or_a_whole_run(
    seconds, data_dir, tmp_path
):
    process = start_long_run(data_dir, tmp_path, epochs_to_wait_for=0)
    while not (tmp_path / "long" / ".lock").exists():
        time.sleep(0.01)
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    # On a busy machine it compiles for longer than a signal is waited for; then the process ends
    # without a word.
    assert process.returncode == 130 and errors.strip() in ("train.py: interrupted", "")
    if (tmp_path / "long").exists():  # an epoch was done before the signal came
        assert read(tmp_path / "long", "history.json")["status"] in ("interrupted", "training")


def test_a_killed_run_leaves_whole_files_is_refused_and_can_be_replaced(data_dir, tmp_path):
    process = start_long_run(data_dir, tmp_path)
    again = ["-m", "long", "--data-dir", data_dir, "--results-dir", tmp_path, *SMALL, "--overwrite"]
    assert_refused(call("train", *again), "another process")
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=300)
    history = read(tmp_path / "long", "history.json")
    assert history["status"] == "training" and len(history["loss"]) >= 2
    assert_refused(
        call("evaluate", "-m", "long", "--data-dir", data_dir, "--results-dir", tmp_path),
        "not finished",
    )
    assert call("train", *again).returncode == 0
    assert read(tmp_path / "long", "history.json")["status"] == "complete"
    assert not [path for path in (tmp_path / "long").iterdir() if path.name.startswith(".")]
