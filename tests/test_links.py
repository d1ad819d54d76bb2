"""Links inside a results folder lead nowhere: what is read, written or removed lies within it."""

import json
import os
import shutil
from pathlib import Path

import pytest

from lab import data, runs
from lab.settings import Settings
from lab.training.run import train_run
from tests.conftest import ROOT, assert_refused, call

pytestmark = pytest.mark.processes


@pytest.fixture
def place(tmp_path):
    """A results folder "r" with the runs dense, conv and gans, and beside it a folder "mine" with
    a run and other files.
    """
    shutil.copytree(ROOT / "tests" / "earlier", tmp_path / "r")
    shutil.copytree(ROOT / "tests" / "earlier" / "dense", tmp_path / "mine" / "dense")
    for name in (
        ".hidden",
        "epoch_0001.png",
        "events.out.tfevents.1",
        ".history.1.json",
        "notes.txt",
    ):
        (tmp_path / "mine" / name).write_text("mine")
    return tmp_path


def content(folder):
    """What lies in a folder: its links as links."""
    found = {}
    for path in sorted(folder.rglob("*")):
        text = (
            os.readlink(path)
            if path.is_symlink()
            else path.read_bytes()
            if path.is_file()
            else None
        )
        found[path.relative_to(folder).as_posix()] = text
    return found


def evaluate(place, *flags):
    return call("evaluate", *flags, "--results-dir", place / "r")


LINKS = {
    "out": "../mine",
    "out-run": "../mine/dense",
    "itself": "z-itself",
    "round": "z-round/x",
    "root": "/",
}


@pytest.mark.parametrize("link", LINKS)
def test_a_link_out_of_it_is_no_name_and_no_pattern_finds_it(link, place, data_dir):
    (place / "r" / f"z-{link}").symlink_to(LINKS[link])
    before = content(place / "mine")
    for name in (f"z-{link}", f"z-{link}/dense"):
        for script, flags in {
            "evaluate": ["-m", name],
            "train": ["-m", name, "--data-dir", data_dir],
        }.items():
            assert_refused(
                call(script, *flags, "--results-dir", place / "r"), "is, or passes through, a link"
            )
        assert_refused(evaluate(place, "--diff", name, "dense"), "is, or passes through, a link")
        assert_refused(
            call("train", "-m", "x", "--like", name, "--results-dir", place / "r"),
            "is, or passes through, a link",
        )
    for pattern in ("z*", "z*/*", "z*/**", f"z-{link}/den*"):
        assert_refused(evaluate(place, "-m", pattern), "no run's name in")
    assert evaluate(place, "-m", "**", "--export", "csv").returncode == 2  # classifiers and GANs
    assert evaluate(place, "-m", "d*", "c*", "--export", "csv").stdout.count("\n") == 3
    done = evaluate(place, "--report")
    assert done.returncode == 0 and "r: 5 runs on a page" in done.stdout
    assert_refused(
        evaluate(place, "-m", "nowhere"), "holds conv, dense, gans, ring; name one of them"
    )
    assert content(place / "mine") == before


def test_a_link_to_another_run_of_the_folder_may_be_named(place):
    (place / "r" / "latest").symlink_to("dense")
    done = evaluate(place, "-m", "latest", "conv", "--export", "csv")
    assert done.returncode == 0 and done.stdout.count("\n") == 3, done.stderr


def test_a_results_folder_that_is_a_link_in_a_circle_is_refused(place, data_dir):
    (place / "loop").symlink_to("loop")
    for script, flags in {"train": ["-m", "x"], "evaluate": ["-m", "x"], "visualize": []}.items():
        places = ["--data-dir", data_dir] if script != "evaluate" else []
        assert_refused(call(script, *flags, *places, "--results-dir", place / "loop"), "a link")
    assert_refused(call("evaluate", "--report", "--results-dir", place / "loop"), "a link")
    (place / "other").symlink_to("r")  # it may be a link: that is where the user wants it
    assert (
        call(
            "evaluate", "-m", "dense", "conv", "--export", "csv", "--results-dir", place / "other"
        ).returncode
        == 0
    )


INNER = ("samples", "tensorboard", "samples/inner", "tensorboard/train", "samples/epoch_0000.png")


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("overwrite", [False, True])
def test_no_run_is_written_through_a_link_within_its_folder(inner, overwrite, place, data_dir):
    """Neither a new one nor one in place of an older one; nothing is removed."""
    folder = place / "r" / ("gans/seed=0" if overwrite else "new")
    link = folder / inner
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(place / "mine" / ("notes.txt" if "." in inner else ""))
    before = content(place)
    flags = [
        "-m",
        folder.relative_to(place / "r"),
        "--net",
        "gan-dense",
        "--epochs",
        "1",
        "--tensorboard",
    ]
    done = call(
        "train",
        *flags,
        *["--overwrite"] * overwrite,
        "--data-dir",
        data_dir,
        "--results-dir",
        place / "r",
    )
    assert_refused(done, f"{link} is a link, which a run does not follow: remove it")
    assert content(place) == before


@pytest.mark.parametrize("file", ["config.json", "history.json", "model.keras"])
def test_a_file_of_a_run_is_not_read_through_a_link_out_of_it(file, place):
    path = place / "r" / "dense" / file
    path.unlink()
    path.symlink_to(place / "mine" / "dense" / file)
    assert_refused(
        evaluate(place, "-m", "dense"),
        f"{path} lies outside of the folder {path.parent}: it is, or passes through",
    )


def test_pictures_and_samples_of_others_come_into_no_figure(place):
    folder = place / "r" / "gans" / "seed=0"
    shutil.rmtree(folder / "samples", ignore_errors=True)
    (folder / "samples").symlink_to(place / "mine")
    assert runs.sample_paths(folder) == {}
    assert_refused(
        evaluate(place, "-m", "gans/seed=0", "--strip", "1"),
        "has no picture of epoch 1; it has those of none",
    )
    (folder / "samples").unlink()
    (folder / "samples").mkdir()
    (folder / "samples" / "epoch_0001.png").symlink_to(place / "mine" / "epoch_0001.png")
    assert runs.sample_paths(folder) == {}


@pytest.mark.parametrize("file", ["model.keras", "learning_curve.png", "history.json"])
def test_a_link_in_the_place_of_a_file_is_replaced_and_what_it_leads_to_stays(file, place, mnist5k):
    """Also one that lies where the process writes what it renames then."""
    arrays = data.Arrays(*(array[:100] for array in mnist5k.arrays))
    folder = place / "r" / "new"
    folder.mkdir()
    stem, suffix = Path(file).stem, Path(file).suffix
    for name in (file, f".{stem}.{os.getpid()}{suffix}", f".{stem}.1{suffix}"):
        (folder / name).symlink_to(place / "mine" / "notes.txt")
    settings = Settings(hidden=(4,), epochs=1, batch_size=64, dataset="mnist5k")
    train_run(settings, arrays, runs.Output(folder, "new", overwrite=True), quiet=True)
    assert (place / "mine" / "notes.txt").read_text() == "mine"
    assert not [path for path in folder.iterdir() if path.is_symlink() or path.name.startswith(".")]


def test_a_search_clears_no_trial_that_is_a_link(place):
    """Not even one to another run of the results folder."""
    folder = place / "r" / "s"
    folder.mkdir()
    (folder / "trial=0").symlink_to("../dense")
    before = content(place / "r" / "dense")
    flags = ["-m", "s", "--search", "1", "--unit-budget", "12", "--epochs", "2", "--workers", "1"]
    flags += ["--dataset", "mnist5k", "--results-dir", place / "r"]
    said = f"{folder}/trial=0 lies outside of the folder {folder}: it is, or passes through, a link"
    assert_refused(call("train", *flags), said)
    (folder / "search.journal").rename(place / "mine" / "search.journal")
    (folder / "search.journal").symlink_to(place / "mine" / "search.journal")
    database = (place / "mine" / "search.journal").read_bytes()
    assert_refused(call("train", *flags), "search.journal lies outside of the folder")
    assert content(place / "r" / "dense") == before
    assert (place / "mine" / "search.journal").read_bytes() == database


def test_a_comparison_and_a_data_set_are_not_written_into_a_run(place, data_dir):
    shutil.copytree(place / "r" / "dense", place / "r" / "comparisons" / "x")
    shutil.copytree(place / "r" / "dense", place / "r" / "datasets" / "mnist")
    before = content(place)
    assert_refused(
        evaluate(place, "-m", "dense", "conv", "--label", "x"),
        "comparisons/x holds a run: choose another name",
    )
    done = call("visualize", "--data-dir", data_dir, "--results-dir", place / "r")
    assert_refused(done, "datasets/mnist holds a run: choose another name")
    assert content(place) == before


def test_what_a_record_says_is_never_run(place, monkeypatch):
    """Its network may be any file that lies here: it is run only where the user names it."""
    monkeypatch.chdir(place)
    own = "open('canary', 'w')\nimport keras\ndef net(input_shape, classes):\n"
    own += "    return keras.Sequential([\n"
    own += (
        "        keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(classes)])\n"
    )
    record = json.loads((place / "r/dense/config.json").read_text())
    places = {
        "evil": "r/evil/network.py",
        "evil-here": "network.py",
        "evil-dots": "../network.py",
        "evil-root": "/network.py",
    }
    for name, path in places.items():
        shutil.copytree(place / "r" / "dense", place / "r" / name)
        settings = {"net": f"{path}:net", "source": own, "dataset": "mnist5k", "epochs": 1}
        (place / "r" / name / "config.json").write_text(json.dumps(record | {"settings": settings}))
        for file in ("network.py", path.strip("/.")):
            (place / file).parent.mkdir(exist_ok=True)
            (place / file).write_text(own)
    for name, path in places.items():
        said = "code that is run only where you name it: add --net FOLDER/network.py:net"
        for flags in (
            ["-m", "new", "--like", name],
            ["-m", "new", "--like", name, "--repeats", "2"],
        ):
            done = call("train", *flags, "--results-dir", "r")
            assert_refused(
                done, said if path == "network.py" else f"its net {path}:net names a folder"
            )
        evaluate(place, "-m", name)
    assert not list(place.rglob("canary")) and not (place / "r" / "new").exists()
    (place / "network.py").write_text(own.replace("canary", "named"))
    flags = [
        "-m",
        "new",
        "--like",
        "evil-here",
        "--net",
        "network.py:net",
        "--results-dir",
        "r",
        "--batch-size",
        "64",
    ]
    done = call("train", *flags)
    assert (
        done.returncode == 0 and (place / "named").exists() and not (place / "canary").exists()
    ), done.stderr
    note = "Note: network.py:net is not what r/evil-here was trained with: its source has changed."
    assert (
        note in " ".join(done.stdout.split())
        and runs.load(place / "r" / "new").settings.epochs == 1
    )
