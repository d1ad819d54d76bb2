"""Data and networks of the user's own, through the scripts' own doors."""

import io
import json
import os
import re
import shutil
import struct
import sys
import time
import warnings
import zipfile
import zlib
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image, ImageDraw
from sklearn.datasets import load_digits

from lab import data, runs
from lab.backend import devices, inference, networks, own_networks
from lab.data import own
from lab.evaluation.archive import load_model
from lab.evaluation.trained import data_of
from lab.experiments import sweep
from lab.io import signals
from lab.settings import Settings, UserError, with_source
from lab.training import engine
from lab.training.notes import notes_on
from lab.training.run import train_run
from tests.conftest import ROOT, assert_refused, call, files_of, write_npz

CLASSES = ["cat", "dog", "owl"]


def images(count, shape=(9, 12, 3), seed=0):
    """Images that are brighter the higher their label, and the labels."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    return (
        labels.reshape(-1, *[1] * len(shape)) * 90 + rng.integers(0, 60, (count, *shape))
    ).astype(np.uint8), labels


def write_folder(folder, pictures, labels, ending="png", first=0):
    for number, (image, label) in enumerate(zip(pictures, labels), first):
        place = folder / CLASSES[label]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{number}.{ending}")


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A folder that holds the same data as animals.npz and as animals/."""
    top = tmp_path_factory.mktemp("own")
    (train, train_labels), (test, test_labels) = images(150), images(30, seed=1)
    arrays = {"x_train": train, "y_train": train_labels, "x_test": test, "y_test": test_labels}
    np.savez(top / "animals.npz", **arrays, classes=CLASSES)
    write_folder(top / "animals" / "train", train, train_labels)
    write_folder(top / "animals" / "test", test, test_labels)
    return top


def test_a_file_and_a_folder_of_the_same_images_give_the_same_run(tmp_path, monkeypatch):
    digits = load_digits()
    pictures = (digits.images * 255 / 16).round().astype(np.uint8)
    tested = np.arange(len(pictures)) % 5 == 4
    parts = [part for rows in (~tested, tested) for part in (pictures[rows], digits.target[rows])]
    write_npz(tmp_path / "digits.npz", *parts)
    for number, (picture, label) in enumerate(zip(pictures, digits.target)):
        folder = tmp_path / "digits" / ("test" if tested[number] else "train") / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{number}.png")
    found = []
    for name in ("digits.npz", "digits"):
        more = ["--epochs", "30", "--results-dir", tmp_path / "r"]
        done = call("train", "-m", name, "--dataset", tmp_path / name, *more)
        assert done.returncode == 0, done.stderr
        run = runs.load(tmp_path / "r" / name)
        assert run.record.dataset.name == ("digits/" if name == "digits" else name)
        assert (run.record.dataset.classes, run.record.dataset.shape) == (
            tuple("0123456789"),
            (8, 8, 1),
        )
        assert run.history.final["val_accuracy"] > 0.95
        found.append((run.record.dataset.sha256, run.history.curves))
    assert found[0] == found[1]
    # Decoded once: the second time, the pictures come from the cache.
    monkeypatch.setattr(own, "whole_picture", None)
    assert data.fingerprint(data.load_dataset(f"{tmp_path}/digits")) == found[0][0]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["\u200b" * 60, "b"], "names of classes of at most 255 letters"),
        (["a", "\ue000" * 43], "names of classes of at most 255 letters"),
        (
            ["\u202e", r"\u202e"],
            "expected distinct names of classes; some are equal once invisible characters "
            "are written out",
        ),
    ],
)
def test_classes_whose_names_a_run_could_not_keep_are_refused_before_it_is_trained(
    names, said, tmp_path
):
    """What cannot be seen is written out, and takes more letters then."""
    arrays = images(40)[0], np.arange(40) % 2
    np.savez(
        tmp_path / "own.npz",
        **dict(zip(("x_train", "y_train", "x_test", "y_test"), arrays * 2)),
        classes=names,
    )
    for number, name in enumerate(names):
        (tmp_path / "own" / name).mkdir(parents=True)
        for place in range(5):
            Image.new("L", (9, 9), 50 * number + place).save(
                tmp_path / "own" / name / f"{place}.png"
            )
    for dataset in ("own.npz", "own"):
        done = call(
            "train",
            "-m",
            "x",
            "--dataset",
            tmp_path / dataset,
            "--batch-size",
            "8",
            "--results-dir",
            tmp_path / "r",
        )
        assert_refused(done, said)
    assert not (tmp_path / "r").exists()


def test_a_folder_is_looked_at(places, tmp_path):
    done = call("visualize", "--dataset", places / "animals", "--results-dir", tmp_path)
    assert done.returncode == 0 and "images of owl" in done.stdout
    assert (tmp_path / "datasets" / "animals" / "means.png").exists()


def test_data_that_changed_are_told_of_and_data_that_are_gone_asked_for(places, tmp_path, capsys):
    (train, labels), (test, test_labels) = images(150), images(30, seed=2)
    shutil.copy(places / "animals.npz", tmp_path / "mine.npz")
    flags = ["--results-dir", tmp_path / "r"]
    assert (
        call(
            "train",
            "-m",
            "x",
            "--dataset",
            "mine.npz",
            "--data-dir",
            tmp_path,
            "--epochs",
            "1",
            *flags,
        ).returncode
        == 0
    )
    done = call("evaluate", "-m", "x", *flags)
    assert done.returncode == 0 and "Note" not in done.stdout and "│ owl " in done.stdout
    arrays = {"x_train": train, "y_train": labels, "x_test": test, "y_test": test_labels}
    np.savez(tmp_path / "mine.npz", **arrays, classes=CLASSES)
    data_of(runs.load(tmp_path / "r" / "x"))
    assert "this mine.npz is not the one" in capsys.readouterr().out
    write_npz(tmp_path / "mine.npz", train[:, :, :, 0], labels, test[:, :, :, 0], test_labels)
    assert_refused(call("evaluate", "-m", "x", *flags), "other images or classes")
    (tmp_path / "mine.npz").unlink()
    assert_refused(
        call("evaluate", "-m", "x", *flags), "no file mine.npz: give its path, or the folder"
    )


def test_a_folder_that_does_not_say_which_are_for_testing_is_split_always_alike_and_by_class(
    tmp_path, capsys
):
    pictures, labels = images(64, (8, 8))
    write_folder(tmp_path / "all", pictures[:60], labels[:60])
    write_folder(tmp_path / "all", pictures[60:], labels[60:], "jpg", first=60)
    (tmp_path / "all" / "cat" / "notes.txt").write_text("no picture")
    first, again = (data.load_dataset(f"{tmp_path}/all/") for _ in range(2))
    assert data.fingerprint(first) == data.fingerprint(again)
    assert (
        np.bincount(first.validation_labels).tolist() == [4, 4, 4] and len(first.train_images) == 52
    )
    assert (
        "64 pictures; of each class a fifth, 12 in all, is kept for testing"
        in capsys.readouterr().out
    )
    together = np.concatenate([first.train_images, first.validation_images])
    assert {image.tobytes() for image in pictures[:60]} <= {image.tobytes() for image in together}


def folder_of(top, pictures, ending="png", **options):
    """A folder of three classes of these pictures, for training and testing alike: its name for
    `data.load_dataset`.
    """
    for place in [top / part / name for part in ("train", "test") for name in CLASSES]:
        place.mkdir(parents=True, exist_ok=True)
        for number, picture in enumerate(pictures):
            picture.save(place / f"{number}.{ending}", **options)
    return f"{top}/"


@pytest.mark.parametrize(
    ("ending", "options"),
    [
        ("png", {}),
        ("bmp", {}),
        ("tif", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("BMP", {}),
        ("webp", {"lossless": True}),
    ],
)
def test_formats_without_loss_give_the_same_data_set(ending, options, tmp_path):
    pictures = [Image.fromarray(one) for one in images(4, (9, 8, 3))[0]]
    if ending == "tif":  # the first page counts, as the first frame of a GIF
        options = {"save_all": True, "append_images": [Image.new("RGB", (40, 40))]}
    found = data.load_dataset(folder_of(tmp_path / "x", pictures, ending, **options))
    assert data.fingerprint(found) == data.fingerprint(
        data.load_dataset(folder_of(tmp_path / "y", pictures))
    )


def test_a_files_content_decides_what_it_is_and_a_gif_is_its_first_frame(tmp_path):
    frames = [Image.new("P", (9, 8), colour) for colour in (1, 2)]
    folder_of(tmp_path / "x", frames[:1], "gif", save_all=True, append_images=frames[1:])
    for path in (tmp_path / "x").rglob("*.gif"):
        path.rename(path.with_suffix(".png"))
    assert len({*data.load_dataset(f"{tmp_path}/x/").train_images.ravel().tolist()}) == 1


def test_what_is_left_out_of_a_folder_is_said_and_recorded_and_clutter_is_not(tmp_path):
    top = tmp_path / "birds"
    folder_of(top, [Image.fromarray(one) for one in images(5, (8, 8))[0]])
    plain = data.fingerprint(data.load_dataset(f"{top}/"))
    for name in (
        "train/cat/a.heic",
        "train/cat/b.HEIC",
        "test/owl/README",
        "labels.csv",
        "val/cat/1.png",
        "train/dog/more/2.png",
    ):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text("no picture of this data set")
    for name in (
        ".ipynb_checkpoints/0.png",
        "__MACOSX/cat/._0.png",
        "__pycache__/x.pyc",
        "cat/._0.png",
        "cat/Thumbs.db",
        ".DS_Store",
    ):
        (top / "train" / name).parent.mkdir(exist_ok=True, parents=True)
        (top / "train" / name).write_text("clutter")
    flags = [
        "--dataset",
        "birds",
        "--data-dir",
        tmp_path,
        "--epochs",
        "1",
        "--results-dir",
        tmp_path / "r",
    ]
    done = call("train", "-m", "x", *flags)
    assert done.returncode == 0, done.stderr
    assert (
        "2 .heic, 2 folder, 1 no ending, 1 .csv" in done.stdout
        and "Batch size 128 is more than the 15" in done.stdout
    )
    about = json.loads((tmp_path / "r" / "x" / "config.json").read_text())["dataset"]
    assert about["ignored"] == {".heic": 2, "folder": 2, "no ending": 1, ".csv": 1}
    assert (about["name"], about["classes"], about["sha256"]) == ("birds/", CLASSES, plain)
    assert runs.load(tmp_path / "r" / "x").settings.batch_size == 15
    assert call("evaluate", "-m", "x", "--results-dir", tmp_path / "r").returncode == 0


@pytest.mark.parametrize(
    ("most", "divisor"),
    [(7, 255), (255, 255), (256, 4095), (4095, 4095), (4096, 65535), (65535, 65535)],
)
@pytest.mark.parametrize("ending", ["png", "tif"])
def test_sixteen_bits_are_scaled_by_what_the_training_set_reaches(most, divisor, ending, tmp_path):
    values = np.linspace(0, most, 64).astype(np.uint16).reshape(8, 8)
    dark, bright = (Image.fromarray(one.astype(np.uint16)) for one in (values // 2, values))
    eight = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))  # beside them
    found = data.load_dataset(folder_of(tmp_path / "x", [bright, dark, eight], ending))
    scaled = values.astype(int) * 255 // divisor
    assert found.divisor == divisor and (divisor < 65535 or (scaled == values // 257).all())
    np.testing.assert_array_equal(found.train_images[0, ..., 0], scaled)
    np.testing.assert_array_equal(
        found.train_images[3, ..., 0], (values // 2).astype(int) * 255 // divisor
    )
    np.testing.assert_array_equal(found.train_images[6, ..., 0], np.asarray(eight))
    # The same once more, from the cache; and a picture that is brighter than all that was trained
    # on is cut off.
    assert data.load_dataset(f"{tmp_path}/x/").divisor == divisor
    Image.fromarray(np.full((8, 8), 65535, np.uint16)).save(
        tmp_path / "x" / "test" / "cat" / f"9.{ending}"
    )
    assert data.load_dataset(f"{tmp_path}/x/").divisor == divisor


def test_a_runs_divisor_is_that_of_the_pictures_that_it_predicts(tmp_path):
    values = [np.full((8, 8), value, np.uint16) for value in (0, 200, 2000, 4000)]
    folder_of(tmp_path / "x", [Image.fromarray(one) for one in values])
    flags = ["-m", "x", "--results-dir", tmp_path / "r"]
    done = call(
        "train",
        *flags,
        "--dataset",
        tmp_path / "x",
        "--hidden",
        "8",
        "--epochs",
        "2",
        "--batch-size",
        "4",
    )
    assert done.returncode == 0, done.stderr
    run = runs.load(tmp_path / "r" / "x")
    assert run.record.dataset.divisor == 4095
    assert call("evaluate", *flags, "--images", tmp_path / "x" / "train" / "cat").returncode == 0
    lines = (tmp_path / "r" / "x" / "predictions.csv").read_text().splitlines()[1:]
    found = np.stack(
        [np.full((8, 8, 1), value * 255 // 4095) for value in (0, 200, 2000, 4000)]
    ).astype(np.uint8)
    logits, _ = inference.logits_and_features(load_model(run), found)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    expected = probabilities.max(axis=1) / probabilities.sum(axis=1)
    np.testing.assert_allclose([float(line.split(",")[7]) for line in lines], expected, atol=1e-5)


PICTURES = {
    "grey": lambda grey: grey,
    "alpha": lambda grey: grey.convert("LA"),
    "16 bits": lambda grey: Image.fromarray(np.asarray(grey).astype(np.uint16) * 257),
    "12 bits": lambda grey: Image.fromarray(np.asarray(grey).astype(np.uint16) * 16),
    "one bit": lambda grey: grey.convert("1"),
    "palette": lambda grey: grey.convert("RGB").quantize(16),
    "white on nothing": lambda grey: Image.merge("LA", (Image.new("L", grey.size, 255), grey)),
    "half transparent": lambda grey: Image.merge(
        "RGBA", (grey, grey, Image.new("L", grey.size, 9), grey)
    ),
    "CMYK": lambda grey: grey.convert("RGB").convert("CMYK"),
}


@pytest.mark.parametrize("resize", [None, 10])
@pytest.mark.parametrize("kind", PICTURES)
def test_a_picture_is_predicted_as_it_was_trained_on(kind, resize, tmp_path):
    size = (40, 30) if resize else (12, 9)
    grey = Image.linear_gradient("L").resize(size)
    folder_of(tmp_path / "x", [PICTURES[kind](grey)], "tif" if kind == "CMYK" else "png")
    found = data.load_dataset(f"{tmp_path}/x/", resize=resize)
    path = next((tmp_path / "x" / "train").rglob("*.*"))
    (reading,), _ = data.read_pictures([path], found.train_images.shape[1:], "whole", found.divisor)
    np.testing.assert_array_equal(reading.images[0], found.train_images[0])
    assert (
        np.ptp(found.train_images) > 0 or kind == "white on nothing"
    )  # of which white paper shows nothing


def test_images_that_are_all_equal_are_warned_of(tmp_path, capsys):
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    drawing = clear.copy()
    ImageDraw.Draw(drawing).line([(1, 1), (6, 6)], "white")
    assert (
        data.load_dataset(folder_of(tmp_path / "x", [clear, drawing])).train_images == 255
    ).all()
    assert "all 6 training images are equal" in capsys.readouterr().out
    Image.new("RGB", (8, 8)).save(tmp_path / "x" / "train" / "cat" / "2.png")
    data.load_dataset(f"{tmp_path}/x/")
    assert "all training images of a class are equal: dog, owl" in capsys.readouterr().out
    np.savez(tmp_path / "x.npz", x_train=GREY * 0, y_train=LABELS, x_test=GREY, y_test=LABELS)
    data.load_dataset(f"{tmp_path}/x.npz")
    assert "all 30 training images are equal" in capsys.readouterr().out


@pytest.mark.slow
def test_pictures_of_several_sizes_become_squares(tmp_path):
    sizes = [(28, 28), (300, 200), (20, 31), (9, 700)]
    top = folder_of(tmp_path / "birds", [Image.effect_noise(size, 60 + size[0]) for size in sizes])
    flags = ["--dataset", tmp_path / "birds", "--results-dir", tmp_path / "r"]
    assert_refused(call("visualize", *flags), "300x200: --resize 28 makes squares")
    done = call("visualize", *flags, "--resize", "16")
    assert done.returncode == 0 and "(12, 16, 16, 1)" in done.stdout, done.stderr
    for name, side in (("a", 12), ("b", 9)):
        assert call("train", "-m", name, *flags, "--resize", side, "--epochs", "1").returncode == 0
    one, other = (runs.load(tmp_path / "r" / name) for name in "ab")
    assert (
        one.record.dataset.shape == (12, 12, 1)
        and one.settings.resize == one.record.dataset.resize == 12
        and "--resize 12" in one.record.command
    )
    assert set(runs.differences([one, other])) == {"resize", "data"}
    assert_refused(
        call("train", "-m", "a", *flags, "--resize", "9", "--epochs", "1"), "resize 12, not 9"
    )
    assert call("evaluate", "-m", "b", "--results-dir", tmp_path / "r").returncode == 0
    _, arrays = sweep.load_data(
        {f"{side}": Settings(dataset=top, resize=side, batch_size=8) for side in (8, 16)}
    )
    assert sorted(one.train_images.shape for one in arrays.values()) == [
        (12, 8, 8, 1),
        (12, 16, 16, 1),
    ]
    # A square that has the size already stays as it is.
    assert (
        data.load_dataset(top, resize=28).train_images[0]
        == np.asarray(Image.open(f"{top}train/cat/0.png"))[..., None]
    ).all()
    for name in ("mnist", "mnist5k", "grid", f"{tmp_path}/x.npz"):
        np.savez(tmp_path / "x.npz")
        with pytest.raises(UserError, match="--resize is for folders"):
            data.load_dataset(name, resize=28)


def test_grey_pictures_among_coloured_ones_are_read_as_colour(tmp_path, capsys):
    grey, colour = Image.effect_noise((8, 8), 50), Image.new("RGB", (8, 8), "red")
    found = data.load_dataset(folder_of(tmp_path / "x", [grey, colour]))
    assert "3 of 6" not in capsys.readouterr().out.replace("6 of 12 pictures are in colour", "")
    assert found.train_images.shape == (6, 8, 8, 3)
    assert (found.train_images[0] == np.asarray(grey)[..., None]).all() and (
        found.train_images[3] == [255, 0, 0]
    ).all()


def test_copies_of_decoded_folders_are_few_and_believed_only_as_they_were_written(
    tmp_path, monkeypatch
):
    cache = Path(os.environ["KERAS_HOME"], "datasets")
    cache.mkdir()
    others = ["own-notes.npz", f"own-{'0' * 32}.npz.bak", "mnist.npz", f"x-own-{'0' * 32}.npz"]
    for name in [*others, *(f"own-{number:032x}.npz" for number in range(20))]:
        (cache / name).write_text("no copy of ours, or an earlier version's")
        os.utime(cache / name, (0, 0))
    folder_of(tmp_path / "x", [Image.fromarray(one) for one in images(3, (8, 8))[0]])
    for change in range(4):  # of each, the copy of what the folder held before goes
        Image.new("L", (8, 8), change).save(tmp_path / "x" / "train" / "cat" / "0.png")
        found = data.load_dataset(f"{tmp_path}/x/")
    ours = [path for path in cache.iterdir() if path.name not in others]
    (copy,) = [path for path in ours if path.stat().st_mtime > 0]
    assert len(ours) <= own.COPIES and {path.name for path in cache.iterdir()} > {*others}
    before, content = dict(np.load(copy)), copy.read_bytes()
    for harm in (
        lambda: copy.write_bytes(content[:-100]),
        lambda: np.savez(copy, **before | {"x_train": before["x_train"] ^ 1}),
        lambda: np.savez(copy, **before | {"x_train": before["x_train"][:, :4]}),
        lambda: np.savez(copy, **before | {"about": "no"}),
        lambda: copy.unlink(),
    ):
        harm()
        again = data.load_dataset(f"{tmp_path}/x/")
        assert data.fingerprint(again) == data.fingerprint(found)
    # Of many folders, those that were used last are kept.
    for number in range(own.COPIES + 2):
        shutil.copytree(tmp_path / "x", tmp_path / f"{number}")
        data.load_dataset(f"{tmp_path}/{number}/")
        time.sleep(0.01)
    assert len([path for path in cache.iterdir() if path.name not in others]) == own.COPIES
    monkeypatch.setattr(own, "whole_picture", None)
    data.load_dataset(f"{tmp_path}/{number}/")


def broken(write):
    """A faulty data set: a function that writes it into a folder and gives its name."""
    return lambda folder: write(folder) or "x.npz"


def one_folder(folder, shapes=((8, 8), (8, 8), (8, 8)), parts=("train", "test")):
    for part in parts:
        for label, shape in enumerate(shapes):
            write_folder(folder / "x" / part, images(1, shape)[0], [label])
    return "x/"


def one_more(folder, name, write):
    """A folder of pictures with one more file."""
    one_folder(folder)
    write(folder / "x" / name)
    return "x/"


def bomb(folder):
    one_folder(folder)
    size = (10**6).to_bytes(4, "big")
    path = folder / "x" / "train" / "cat" / "0.png"
    content = path.read_bytes()
    path.write_bytes(content[:16] + size + size + content[24:])
    return "x/"


GREY, LABELS = images(30, (8, 8))
DEEP = Image.new("I;16", (8, 8))


def with_classes(folder, classes):
    np.savez(
        folder / "x.npz", x_train=GREY, y_train=LABELS, x_test=GREY, y_test=LABELS, classes=classes
    )


def colour16(value, alpha=()):
    """A PNG file of 8x8 pixels with 16 bits a channel, and perhaps an alpha channel, which Pillow
    does not write.
    """

    def chunk(kind, content):
        return (
            struct.pack(">L", len(content))
            + kind
            + content
            + struct.pack(">L", zlib.crc32(kind + content))
        )

    pixel = struct.pack(f">{3 + len(alpha)}H", *[value] * 3, *alpha)
    rows = 8 * (b"\0" + 8 * pixel)
    head = chunk(b"IHDR", struct.pack(">LLBBBBB", 8, 8, 16, 6 if alpha else 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


FAULTS = {
    "too small": (
        broken(lambda at: write_npz(at / "x.npz", GREY[:, 1:], LABELS, GREY[:, 1:], LABELS)),
        "8 to 256 pixels",
    ),
    "four channels": (
        broken(lambda at: write_npz(at / "x.npz", *images(9, (8, 8, 4)), *images(9, (8, 8, 4)))),
        "or colour",
    ),
    "two shapes": (
        broken(lambda at: write_npz(at / "x.npz", GREY, LABELS, *images(9, (8, 9)))),
        "8x8, grey for training, 8x9",
    ),
    "floats": (
        broken(lambda at: write_npz(at / "x.npz", GREY / 16, LABELS, GREY, LABELS)),
        "uint8 images from 0 to 255",
    ),
    "one class": (
        broken(lambda at: write_npz(at / "x.npz", GREY, LABELS * 0, GREY, LABELS * 0)),
        "classes, found 1",
    ),
    "class not trained": (
        broken(lambda at: write_npz(at / "x.npz", GREY, LABELS, GREY, LABELS + 1)),
        "3 has test images",
    ),
    "a gap": (
        broken(lambda at: write_npz(at / "x.npz", GREY, LABELS * 2, GREY, LABELS)),
        "class 1 has no image for training",
    ),
    "labels of letters": (
        broken(lambda at: write_npz(at / "x.npz", GREY, ["a"] * 30, GREY, LABELS)),
        "whole-number labels",
    ),
    "labels of fractions": (
        broken(lambda at: write_npz(at / "x.npz", GREY, LABELS + 0.5, GREY, LABELS)),
        "whole-number",
    ),
    "below zero": (
        broken(lambda at: write_npz(at / "x.npz", GREY, LABELS - 1, GREY, LABELS)),
        "whole numbers from 0",
    ),
    "labels of durations": (
        broken(lambda at: write_npz(at / "x.npz", GREY, LABELS.astype("m8"), GREY, LABELS)),
        "timedelta64",
    ),
    "labels in rows": (
        broken(lambda at: write_npz(at / "x.npz", GREY, LABELS.reshape(10, 3), GREY, LABELS)),
        "int64, (10, 3)",
    ),
    "labels of structures": (
        broken(
            lambda at: write_npz(at / "x.npz", GREY, LABELS.astype([("a", "i8")]), GREY, LABELS)
        ),
        "a",
    ),
    "many classes": (
        broken(lambda at: write_npz(at / "x.npz", GREY, LABELS + 10**9, GREY, LABELS)),
        "from 0 to 999",
    ),
    "names too few": (broken(lambda at: with_classes(at, ["a", "b"])), "label 2 has no name"),
    "names no text": (broken(lambda at: with_classes(at, [1, 2, 3])), "different names"),
    "no names": (
        broken(lambda at: with_classes(at, [])),
        "different names, an array of text of shape (classes,); found",
    ),
    "names in rows": (broken(lambda at: with_classes(at, [["a", "b", "c"]])), "different names"),
    "names that are objects": (
        broken(lambda at: with_classes(at, np.array([*"abc"], object))),
        "classes holds Python objects",
    ),
    "names in Latin 1": (
        broken(lambda at: with_classes(at, ["\xe4".encode("latin-1"), b"b", b"c"])),
        "bytes, but not UTF-8",
    ),
    "nothing": (lambda at: (at / "x").mkdir() or "x/", "no pictures for training"),
    "no test": (lambda at: one_folder(at, parts=("train",)), "no pictures for testing"),
    "mixed sizes": (
        lambda at: one_folder(at, ((8, 8), (8, 9), (8, 8))),
        "8x8, grey, train/dog/0.png is 8x9, grey: --resize",
    ),
    "photographs": (
        lambda at: one_folder(at, ((300, 400),) * 3),
        "0.png: expected 8 to 256 pixels a side, found 400x300: --r",
    ),
    "a class without pictures": (
        lambda at: one_more(at, "train/ant", Path.mkdir),
        "train/ant: no picture in this",
    ),
    "a class of other files": (
        lambda at: one_more(at, "test/cat", lambda cat: (cat / "0.png").rename(cat / "0.heic")),
        "test/cat: no picture in this",
    ),
    "only hidden": (
        lambda at: (at / "x/.git/a").mkdir(parents=True) or "x/",
        "no pictures for training",
    ),
    "a folder as a picture": (
        lambda at: one_more(at, "train/owl/1.png", Path.mkdir),
        "owl/1.png: a directory",
    ),
    "floating point": (
        lambda at: one_more(at, "train/cat/1.tif", Image.new("F", (8, 8)).save),
        "1.tif: pixels that are",
    ),
    "32 bits": (
        lambda at: one_more(at, "train/cat/1.tif", Image.new("I", (8, 8), 65_536).save),
        "cat/1.tif: values from 65536 to 65536: expected 0 to 65,535",
    ),
    "transparent 16 bits": (
        lambda at: one_more(at, "train/cat/1.png", lambda to: DEEP.save(to, transparency=0)),
        "cat/1.png: 16 bits a pixel and a transparent value",
    ),
    "dark 16 bits in colour": (
        lambda at: one_more(at, "test/cat/1.png", lambda to: to.write_bytes(colour16(4_000))),
        "cat/1.png: 16 bits a channel in colour, but no value above 4,095",
    ),
    "dark 16 bits in opaque colour": (
        lambda at: one_more(
            at, "test/cat/1.png", lambda to: to.write_bytes(colour16(4_000, (65_535,)))
        ),
        "cat/1.png: 16 bits a channel in colour, but no value above 4,095",
    ),
    "a million pixels a side": (bomb, "0.png: "),
    "a broken picture": (
        lambda at: one_folder(at) and (at / "x/test/owl/0.png").write_bytes(b"no") and "x/",
        "not a readable",
    ),
    "a picture": (
        lambda at: one_folder(at) and "x/train/cat/0.png",
        "neither a folder nor an .npz file",
    ),
    "deeper": (lambda at: (at / "y/a/b").mkdir(parents=True) or "y/", "a/ holds folders"),
    "not there": (lambda at: "x.npz", "no file x.npz"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faulty_data_are_refused_in_a_line(fault, tmp_path):
    write, said = FAULTS[fault]
    name = write(tmp_path)
    assert_refused(
        call(
            "train",
            "-m",
            "x",
            "--dataset",
            name,
            "--data-dir",
            tmp_path,
            "--results-dir",
            tmp_path / "r",
        ),
        said,
    )
    assert not (tmp_path / "r").exists()


def test_data_that_pretend_to_be_a_known_set_and_settings_that_images_are_too_small_for(
    tmp_path, places
):
    pictures, labels = images(300, (28, 28))
    write_npz(tmp_path / "mnist.npz", pictures, labels, pictures, labels)
    done = call("train", "-m", "x", "--data-dir", tmp_path, "--results-dir", tmp_path / "r")
    assert_refused(done, f"--dataset {tmp_path}/mnist.npz")
    assert "in 3 classes" in done.stderr
    flags = [
        "--dataset",
        places / "animals.npz",
        "--results-dir",
        tmp_path / "r",
        "--batch-size",
        "16",
    ]
    for more, said in (
        (["--net", "filter"], "at least 20 pixels"),
        (["--conv", "--filters", "4,4,4,4"], "with 4 layers needs images of at least 16 pixels"),
        (["--net", "gan-conv"], "multiples of 4"),
        (["--shift", "5"], "more than half"),
        (["--dataset", "MNIST"], "did you mean mnist?"),
    ):
        assert_refused(call("train", "-m", "x", *flags, *more), said)


def test_the_fall_back_names_the_folder_that_lacks_the_file(tmp_path, capsys):
    assert data.find(None, tmp_path)[0] == "mnist5k"
    assert f"no mnist.npz in {tmp_path}" in capsys.readouterr().out


@pytest.fixture(scope="module")
def residual(tmp_path_factory):
    """The network of docs/own.md, in a file."""
    block = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "own.md").read_text(), re.S)[1]
    assert block.count("\n") <= 30
    path = tmp_path_factory.mktemp("net") / "residual.py"
    path.write_text(block)
    return path


def test_the_network_of_the_docs_is_trained_and_loaded_without_being_run(
    residual, data_dir, tmp_path
):
    flags = ["--data-dir", data_dir, "--results-dir", tmp_path]
    more = [
        "--filters",
        "4,6",
        "--epochs",
        "2",
        "--batch-size",
        "15",
    ]  # so small a batch is not shared out
    done = call("train", "-m", "mine", "--net", f"{residual}:residual", *more, *flags)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "mine"
    assert (folder / "network.py").read_text() == residual.read_text()
    run = runs.load(folder)
    assert (run.settings.net, run.settings.source, run.settings.filters) == (
        "residual.py:residual",
        residual.read_text(),
        (4, 6),
    )
    assert run.record.command.endswith(
        "--net residual.py:residual --filters 4,6 --batch-size 15 --epochs 2 --dataset mnist"
    )
    # What is evaluated is what was trained, and the file of the run is not run for it.
    (folder / "network.py").write_text("raise SystemExit")
    done = call("evaluate", "-m", "mine", *flags)
    assert done.returncode == 0, done.stderr
    evaluated = json.loads((folder / "evaluation.json").read_text())["validation"]
    assert evaluated["loss"] == pytest.approx(run.history.final["val_loss"], rel=1e-4)
    assert (folder / "filters.png").exists()
    # Keras alone loads it, and computes the same.
    model, stock = load_model(run), keras.models.load_model(folder / "model.keras")
    some = data.load_dataset("mnist", data_dir).validation_images[:5]
    np.testing.assert_allclose(model(some), stock(some), rtol=1e-5, atol=1e-6)
    refuses_absurd_layers(folder, flags)


def refuses_absurd_layers(folder, flags):
    """Those of a list that are read, but of other sizes than the run's."""
    path = folder / "model.keras"
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(members["config.json"])
    inner = config["config"]["layers"][2]["config"]["layers"]
    for units in (10**9, 7):
        next(one for one in reversed(inner) if one["class_name"] == "Dense")["config"]["units"] = (
            units
        )
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in (members | {"config.json": json.dumps(config).encode()}).items():
                archive.writestr(name, content)
        assert_refused(call("evaluate", "-m", "mine", *flags), "other images or classes")


OWN_LAYER = """
import keras

@keras.saving.register_keras_serializable("own")
class Twice(keras.layers.Layer):
    def call(self, inputs):
        return 2 * inputs

def build(input_shape, classes, dropout=0.5):
    layers = [keras.Input(input_shape), keras.layers.Flatten(), Twice()]
    layers.append(keras.layers.Dropout(dropout))
    return keras.Sequential([*layers, keras.layers.Dense(classes, activation="softmax")])
"""


@pytest.mark.cluster
def test_a_sweep_over_own_networks_and_data_and_what_its_source_is_to_its_runs(
    places, tmp_path, monkeypatch
):
    path = tmp_path / "own.py"
    path.write_text(OWN_LAYER)
    flags = [
        "--dataset",
        places / "animals.npz",
        "--results-dir",
        tmp_path / "r",
        "--epochs",
        "2",
        "--batch-size",
        "32",
    ]
    sweep = [
        "-m",
        "s",
        "--net",
        f"{path}:build",
        *flags,
        "--sweep",
        "dropout",
        "0",
        "0.3",
        "--workers",
        "1",
    ]
    done = call("train", *sweep)
    assert done.returncode == 0, done.stderr
    assert (
        done.stdout.count(
            "keras.models.load_model alone cannot load own.py:build (Could not locate "
            "class 'Twice')"
        )
        == 1
    )
    folder = tmp_path / "r" / "s" / "dropout=0.3" / "seed=0"
    assert "network.py" in files_of(folder) and runs.load(folder).settings.dropout == 0.3
    places_of = ["--results-dir", tmp_path / "r"]
    # Its own layer is run only if the user says so.
    assert_refused(call("evaluate", "-m", "s/dropout=0.3/seed=0", *places_of), "own_own.Twice")
    assert (
        "--net FILE.py:FUNCTION"
        in call("evaluate", "-m", "s/dropout=0.3/seed=0", *places_of).stderr
    )
    done = call("evaluate", "-m", "s/dropout=0.3/seed=0", "--net", f"{path}:build", *places_of)
    assert done.returncode == 0 and "Note" not in done.stdout, done.stderr
    evaluated = json.loads((folder / "evaluation.json").read_text())["validation"]
    assert evaluated["loss"] == pytest.approx(runs.load(folder).history.final["val_loss"], rel=1e-3)
    assert call("evaluate", "--report", *places_of).returncode == 0
    assert "own.py:build" in (tmp_path / "r" / "report.html").read_text()
    # Another source is another network.
    path.write_text(OWN_LAYER.replace("2 * inputs", "3 * inputs"))
    assert_refused(call("train", *sweep), "another version of own.py:build")
    assert (
        "has changed"
        in call(
            "evaluate", "-m", "s/dropout=0.3/seed=0", "--net", f"{path}:build", *places_of
        ).stdout
    )


HEAD = "import os, sys\nimport keras\nfrom keras import layers, ops\n"


def net_of(body, before=""):
    """A file with a function "net" of these lines, which find "inputs" and "flat", the images as
    vectors; others before it.
    """
    lines = [
        "inputs = keras.Input(input_shape)",
        "flat = layers.Flatten()(inputs)",
        *body.splitlines(),
    ]
    return "\n".join(
        [HEAD + before, "def net(input_shape, classes):", *(f"    {line}" for line in lines), ""]
    )


def net_with(call, before="", more=""):
    """A file with a network that has a layer "Own", whose method "call" has these lines, and which
    has more methods.
    """
    lines = "".join(f"        {line}\n" for line in call.splitlines())
    layer = (
        f"{before}\nclass Own(layers.Layer):\n    def call(self, x, training=False):\n"
        f"{lines}        return x\n{more}"
    )
    return net_of("return keras.Model(inputs, layers.Dense(classes)(Own()(flat)))", layer)


DENSE = "return keras.Model(inputs, layers.Dense(classes)(flat))"
ERRORS = "class Stop(KeyboardInterrupt): pass\nclass Base(BaseException): pass\n"
ERRORS += "class Mute(Exception):\n    def __str__(self): raise self\n"
WEIGHT = "    def build(self, shape):\n        self.add_weight(shape=(), {}, name='count')\n"
PENALTY = (
    "def fails(w): 1 / 0\nreturn keras.Model(inputs, layers.Dense(classes, "
    "kernel_regularizer=fails)(flat))"
)
FIXED = (
    "same = keras.Input(batch_shape=(2, *input_shape))\n"
    "return keras.Model(same, layers.Dense(classes)(layers.Flatten()(same)))"
)
NETS = {
    "no file": (None, "net.py: name your network with its folder"),
    "no function": ("def other(): pass", "has no function net; it has other"),
    "no Python": ("def net(:", "invalid syntax"),
    "other arguments": (
        "def net(input_shape): pass",
        "must take input_shape and classes, got input_shape",
    ),
    "one too many": (
        "def net(input_shape, classes, depth): pass",
        "takes depth, which is no setting of a run",
    ),
    "a default too long": (
        "def net(input_shape, classes, hidden=range(3)): pass",
        "default of hidden as a plain value",
    ),
    "a wrong default": (
        "def net(input_shape, classes, dropout=2.0): pass",
        "the defaults of net.py:net: dropout must be",
    ),
    "raises": (
        "def net(input_shape, classes):\n    return 1 / 0",
        "ZeroDivisionError: division by zero (net.py, line 2)",
    ),
    "ends": (
        "import sys\ndef net(input_shape, classes):\n    sys.exit('no')",
        "SystemExit: no (net.py, line 3)",
    ),
    "not to be saved": (
        "import keras\nclass Plain(keras.Model):\n    def __init__(self, classes):\n"
        "        super().__init__()\n        self.last = keras.layers.Dense(classes)\n"
        "    def call(self, x):\n"
        "        return self.last(keras.ops.reshape(x, (-1, 784)))\n"
        "def net(input_shape, classes):\n    return Plain(classes)",
        "net.py:net cannot be saved",
    ),
    "compiled": (
        "import keras\ndef net(input_shape, classes):\n"
        "    layers = [keras.layers.Flatten(), keras.layers.Dense(10)]\n"
        "    model = keras.Sequential(layers)\n    model.compile('sgd', 'mse')\n    return model",
        "out compile()",
    ),
    "no model": ("def net(input_shape, classes): pass", "gives no keras.Model, but NoneType"),
    "outputs": (
        "import keras\ndef net(input_shape, classes):\n"
        "    layers = [keras.layers.Flatten(), keras.layers.Dense(4)]\n"
        "    return keras.Sequential(layers)",
        "gives shape (2, 4) for 2 images, not (2, 10)",
    ),
    "inputs": (
        "import keras\ndef net(input_shape, classes):\n"
        "    return keras.Sequential([keras.Input((3,))])",
        "does not take images of shape (28, 28, 1)",
    ),
    "a class": (
        "class net: pass\ndef other(): pass",
        "has no function net (net is a class); it has other",
    ),
    "async": ("async def net(input_shape, classes): pass", "net is an async function"),
    "imported": (
        "from os import path as net\ndef a(): pass\ndef b(): pass",
        "net is an import); it has a, b",
    ),
    "nested": (f"x = {'-' * 7000}1", "nested too deeply"),
    "nested default": (f"def net(input_shape, classes, dropout=1{'+1' * 900}): pass", "recursion"),
    "a default that cannot be": (
        "def net(input_shape, classes, hidden={[]}): pass",
        "as a plain value",
    ),
    "NUL": ("x = '\0'", "null bytes"),
    "another encoding": ("x = 'ü'".encode("latin-1"), "not in UTF-8"),
    "return": (
        "return\ndef net(input_shape, classes): pass",
        "'return' outside function (net.py, line 1)",
    ),
    "whole-number inputs": (
        net_of(
            "whole = keras.Input(input_shape, dtype='uint8')\n"
            "return keras.Model(whole, layers.Dense(classes)(layers.Flatten()(whole)))"
        ),
        "takes inputs of uint8, in which pixels from 0 to 1 would become 0",
    ),
    "a batch size": (net_of(FIXED), "takes batches of 2 only: leave the batch size out"),
    "two outputs": (
        net_of("return keras.Model(inputs, [flat, flat])"),
        "gives a list of 2 for 2 images, not (2, 10)",
    ),
    "named outputs": (
        net_of("return keras.Model(inputs, {'a': flat, 'b': flat})"),
        "gives a dict of 2 for 2 images",
    ),
    "a list": (
        net_of("return keras.Model(inputs, [layers.Dense(classes)(flat)])"),
        "gives a list of 1 for 2 images",
    ),
    "images out": (
        net_of("return keras.Model(inputs, layers.Dense(classes)(inputs))"),
        "gives shape (2, 28, 28, 10)",
    ),
    "two inputs": (
        net_of("return keras.Model([inputs, keras.Input((3,))], flat)"),
        "with 2 inputs, expected one",
    ),
    "whole numbers": (
        net_of("return keras.Model(inputs, ops.argsort(layers.Dense(classes)(flat)))"),
        "outputs of int32",
    ),
    "doubles": (
        net_with("", more=WEIGHT.format("dtype='float64'")),
        "of float64: expected float32",
    ),
    "a trained count": (
        net_with("", more=WEIGHT.format("dtype='int64'")),
        "of int64: declare it with trainable=False",
    ),
    "changes the folder": (net_of(f"os.chdir('/')\n{DENSE}"), "changes the current folder"),
    "changes it in training": (
        net_with("if training: os.chdir('/')"),
        "changes the current folder",
    ),
    "without end": (net_of("def again(): again()\nagain()"), "RecursionError"),
    "in training only": (
        net_with("if training: 1 / 0"),
        "ZeroDivisionError: division by zero (net.py, line 7)",
    ),
    "at run time": (
        net_with("if training: x = x + ops.slice(x, (0, 900), (1, 9))"),
        "Expected begin[1] in [0, 784]",
    ),
    "when saved": (
        net_with("", more="    def get_config(self): sys.exit('no')\n"),
        "cannot be saved (SystemExit: no (net.py",
    ),
    "its penalty": (net_of(PENALTY), "ZeroDivisionError: division by zero (net.py, line 8)"),
    "a name of Keras's": (
        net_of(
            "return keras.Model(inputs, layers.Dense(classes, activation=relu)(flat))",
            "def relu(x):\n    return 3 * x\n",
        ),
        "the name of one of Keras's",
    ),
}
RAISED = {
    "Stop('x')": "Stop: x",
    "Base(1)": "Base: 1",
    "GeneratorExit": "GeneratorExit: no message",
    "StopIteration(3)": "StopIteration: 3",
    "Mute": "Mute: <exception str() failed>",
}
for error, said in RAISED.items():
    NETS[error] = net_of(f"raise {error}", ERRORS), f"net.py:net fails: {said}"
    NETS[f"{error} in training"] = (
        net_with(f"if training: raise {error}", ERRORS),
        f"net.py:net fails: {said}",
    )


@pytest.mark.parametrize("fault", NETS)
def test_a_network_that_cannot_be_is_refused_in_a_line(fault, data_dir, tmp_path):
    source, said = NETS[fault]
    if source:
        (tmp_path / "net.py").write_bytes(source if isinstance(source, bytes) else source.encode())
    flags = [
        "--net",
        f"{tmp_path}/net.py:net",
        "--data-dir",
        data_dir,
        "--results-dir",
        tmp_path / "r",
    ]
    assert_refused(call("train", "-m", "x", *flags), said)
    assert not (tmp_path / "r" / "x").exists()


@pytest.mark.parametrize("named", ["", ":", ":net()", ":9"])
def test_a_file_without_a_function_is_told_which_it_has(named, tmp_path):
    (tmp_path / "net.py").write_text("raise SystemExit\ndef first(): pass\ndef second(): pass")
    assert_refused(
        call("train", "-m", "x", "--net", f"{tmp_path}/net.py{named}"),
        "net.py:FUNCTION; it has first, second",
    )
    assert_refused(
        call("train", "-m", "x", "--net", f"{tmp_path}/other.py{named}"),
        "other.py: name your network with its folder",
    )


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, signals.Terminated])
def test_a_signal_is_no_fault_of_the_network(interrupt):
    with pytest.raises(interrupt), own_networks.user_code("net.py:net"):
        raise interrupt


def test_what_the_code_of_a_network_does_to_the_process_is_undone(monkeypatch, tmp_path):
    streams, folder, filters = (io.StringIO(), io.StringIO()), os.getcwd(), list(warnings.filters)
    for name, stream in zip(("stdout", "stderr"), streams):
        monkeypatch.setattr(sys, name, stream)
    with own_networks.user_code("net.py:net"):
        sys.stdout = sys.stderr = None
        warnings.simplefilter("error")
    assert (sys.stdout, sys.stderr) == streams and warnings.filters == filters
    with (
        pytest.raises(own_networks.NetworkError, match="changes the current folder"),
        own_networks.user_code("net.py:net"),
    ):
        os.chdir(tmp_path)
    assert os.getcwd() == folder
    with (
        pytest.raises(own_networks.NetworkError, match="closes sys"),
        own_networks.user_code("net.py:net"),
    ):
        sys.stderr.close()
    assert not sys.stderr.closed


def test_a_fault_of_the_lab_is_not_blamed_on_the_network():
    with pytest.raises(AttributeError), own_networks.user_code("net.py:net"):
        with_source(None)


UNKNOWN_SIZES = {
    "input": """
images = keras.Input((None, None, input_shape[-1]))
rows = layers.Dense(8)(layers.Reshape((-1, 1, 3))(layers.Conv2D(3, 3)(images)))
return keras.Model(images, layers.Dense(classes)(layers.GlobalMaxPooling2D()(rows)))""",
    "layers": "return keras.Sequential([Rows(), layers.Dense(4), layers.GlobalMaxPooling1D(), "
    "layers.Dense(classes)])",
}
ROWS = """
class Rows(layers.Layer):
    def call(self, x):
        return ops.reshape(x, (ops.shape(x)[0], -1, x.shape[-1]))
"""


@pytest.mark.parametrize("kind", UNKNOWN_SIZES)
def test_a_network_of_unknown_sizes_is_trained_and_evaluated(kind, places, tmp_path):
    (tmp_path / "net.py").write_text(net_of(UNKNOWN_SIZES[kind], ROWS))
    evaluated_like_trained(
        tmp_path, places, () if kind == "input" else ("--net", tmp_path / "net.py:net")
    )


def evaluated_like_trained(folder, places, named):
    """Train the network of net.py in a folder, and evaluate it with these flags: the same loss."""
    flags = ["--dataset", places / "animals.npz", "--results-dir", folder / "r"]
    done = call(
        "train",
        "-m",
        "x",
        "--net",
        folder / "net.py:net",
        "--epochs",
        "1",
        "--batch-size",
        "15",
        *flags,
    )
    assert done.returncode == 0, done.stderr
    done = call("evaluate", "-m", "x", *named, *flags[2:])
    assert done.returncode == 0, done.stderr
    evaluated = json.loads((folder / "r" / "x" / "evaluation.json").read_text())["validation"]
    assert evaluated["loss"] == pytest.approx(
        runs.load(folder / "r" / "x").history.final["val_loss"], rel=1e-3
    )


COUNTS = """
class Own(layers.Layer):
    def build(self, shape):
        kinds = ("int32", "int64", "uint8", "bool")
        given = {"shape": (900,), "initializer": "zeros", "trainable": False}
        self.counts = [self.add_weight(dtype=kind, **given) for kind in kinds]

    def call(self, x, training=False):
        for count in self.counts if training else ():
            count.assign(count + ops.cast(1, count.dtype) if count.dtype != "bool" else ~count)
        return x
"""


def test_counts_of_a_network_are_saved_and_loaded(places, tmp_path):
    body = (
        "norm = layers.Normalization()\nnorm.adapt(ops.reshape(ops.arange(9.0), (-1, 1)) * "
        "ops.ones((9, 324)))\n"
    )
    body += "return keras.Model(inputs, layers.Dense(classes)(Own()(norm(flat))))"
    (tmp_path / "net.py").write_text(net_of(body, COUNTS))
    evaluated_like_trained(tmp_path, places, ("--net", tmp_path / "net.py:net"))
    run = runs.load(tmp_path / "r" / "x")
    model = load_model(run, run.settings)
    counts = {
        str(weight.dtype): np.asarray(weight) for weight in model.weights if weight.shape == (900,)
    }
    # 150 images in batches of 15: ten steps, the last of which leaves a bool as it was.
    expected = {"int32": {10}, "int64": {10}, "uint8": {10}, "bool": {False}}
    assert {kind: set(values.tolist()) for kind, values in counts.items()} == expected


SEED, SCALE, KERAS = (
    "do not depend on --seed",
    "hardly differs between images",
    "load_model alone cannot load",
)
START = "start = keras.initializers.HeNormal(seed=1)\n"
MODEL = (
    "class Own(keras.Model):\n    def __init__(self, last):\n        super().__init__()\n"
    "        self.last = last\n"
)
MODEL += (
    "    def call(self, x): return self.last(layers.Flatten()(x / 255))\n"
    "    def get_config(self): return {}\n"
)
NOTED = {
    "dense": (DENSE, []),
    "conv": (
        "return keras.Sequential([layers.Conv2D(4, 3), layers.GlobalMaxPooling2D(), "
        "layers.Dense(classes)])",
        [],
    ),
    "set_random_seed": (f"keras.utils.set_random_seed(1)\n{DENSE}", [SEED]),
    "a seed of its own": (DENSE.replace("(classes", "(classes, kernel_initializer=start"), [SEED]),
    "constants": (DENSE.replace("(classes", "(classes, kernel_initializer='zeros'"), [SEED]),
    "one of two has a seed": (
        DENSE.replace("(flat)", "(layers.Dense(9, kernel_initializer=start)(flat))"),
        [],
    ),
    "Rescaling": (DENSE.replace("(flat)", "(layers.Rescaling(1 / 255)(flat))"), [SCALE]),
    "division": (DENSE.replace("(flat)", "(flat / 127.5 - 1)"), [SCALE]),
    "a mean of bytes": (DENSE.replace("(flat)", "(flat - 110)"), [SCALE]),
    "of its own model": ("return Own(layers.Dense(classes))", [KERAS, SCALE]),
    "before batch normalization": (
        DENSE.replace("(flat)", "(layers.BatchNormalization()(flat / 255))"),
        [SCALE],
    ),
    "to -1 and 1": (DENSE.replace("(flat)", "(layers.Rescaling(2, -1)(flat))"), []),
    "a deep one": (
        DENSE.replace(
            "(flat)", "(keras.Sequential([layers.Dense(9, 'sigmoid') for _ in range(9)])(flat))"
        ),
        [],
    ),
    "an activation of TensorFlow's": (
        DENSE.replace("(classes", "(classes, activation=tf.sin"),
        [KERAS],
    ),
    "one that Keras has": (DENSE.replace("(classes", "(classes, activation=tf.nn.relu"), []),
    "a function of its own": (DENSE.replace("(classes", "(classes, activation=twice"), [KERAS]),
    "Lambda": (DENSE.replace("(flat)", "(layers.Lambda(lambda x: x + 1)(flat))"), [KERAS]),
    "recurrent": (DENSE.replace("(flat)", "(layers.LSTM(3)(layers.Reshape((28, 28))(flat)))"), []),
    "row by row": (
        "rows, shared = ops.unstack(inputs, axis=1), layers.Dense(3)\n"
        + DENSE.replace(
            "(flat)",
            "(ops.sum(ops.stack([shared(layers.Flatten()(row)) for row in rows]), axis=0))",
        ),
        [],
    ),
    "a layer that is not reviewed": (
        DENSE.replace("(flat)", "(layers.UnitNormalization()(flat))"),
        [],
    ),
}


@pytest.mark.parametrize("case", NOTED)
def test_what_should_be_known_of_a_network_is_noted(case, mnist5k):
    body, expected = NOTED[case]
    source = net_of(
        body, f"import tensorflow as tf\ndef twice(x):\n    return 2 * x\n{START}{MODEL}"
    )
    two = [
        networks.build("net.py:net", source=source, input_shape=(28, 28, 1), classes=10, seed=seed)
        for seed in (0, 1)
    ]
    found = notes_on("net.py:net", *two, mnist5k.train_images[:100])
    assert [next(one for one in (SEED, SCALE, KERAS) if one in note) for note in found] == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("layers.Conv2D(3, 3)", True),
        ("keras.layers.SeparableConv2D", True),
        ("DepthwiseConv2D(3)", True),
        ("keras.applications.ConvNeXtTiny()", True),
        ("[layers.Conv2D, layers.BatchNormalization]", False),
        ("ConvergenceLog()", False),
        ("layers.Dense(3, name='Conv2D')  # Conv2D", False),
        ("self.MyConv2D", False),
        ("Conv2D = 3", False),
    ],
)
def test_only_layers_that_convolve_let_threads_work_on_shares(body, expected):
    settings = Settings(net="net.py:net", source=f"def net(input_shape, classes):\n    {body}")
    assert devices.suits_inter_op(settings, 2) is expected


def test_flags_that_a_network_does_not_take(residual, tmp_path, data_dir):
    flags = ["--net", f"{residual}:residual", "--data-dir", data_dir, "--results-dir", tmp_path]
    assert_refused(call("train", "-m", "x", *flags, "--batch-norm"), "--batch-norm has no effect")
    assert_refused(call("train", "-m", "x", *flags, "--unroll", "3"), "--unroll is for GANs")
    assert with_source(Settings(net=f"{residual}:residual")).filters == (16, 32)


BAKED = """
import keras

def projected(input_shape, classes):
    drawn = keras.random.normal((784, 20))
    inputs = keras.Input(input_shape)
    flat = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, keras.layers.Dense(classes)(keras.ops.matmul(flat, drawn)))

def penalized(input_shape, classes, regularizer_strength=1e-2):
    penalty = keras.regularizers.L2(regularizer_strength)
    layers = [keras.Input(input_shape), keras.layers.Flatten()]
    layers += [keras.layers.Dense(8, activity_regularizer="l2"), keras.layers.BatchNormalization()]
    layers.append(keras.layers.Dense(classes, kernel_regularizer=penalty))
    return keras.Sequential(layers)
"""


def test_runs_that_follow_each_other_are_the_runs_alone_whatever_the_function_draws(
    data_dir, tmp_path
):
    (tmp_path / "baked.py").write_text(BAKED)
    settings = with_source(
        Settings(net=f"{tmp_path}/baked.py:projected", epochs=1, batch_size=64, dataset="mnist")
    )
    arrays = data.load_dataset("mnist", data_dir)

    def curves(seed, name):
        output = runs.Output(tmp_path / name, name)
        train_run(settings.replace(seed=seed), arrays, output, quiet=True)
        return runs.load(tmp_path / name).history.curves

    after_another = [curves(0, "a"), curves(1, "b")][1]
    engine.forget()
    assert curves(1, "c") == after_another


def test_penalties_of_a_network_are_those_of_its_weights(data_dir, tmp_path):
    (tmp_path / "baked.py").write_text(BAKED)
    flags = ["--data-dir", data_dir, "--results-dir", tmp_path]
    assert (
        call(
            "train", "-m", "x", "--net", f"{tmp_path}/baked.py:penalized", "--epochs", "1", *flags
        ).returncode
        == 0
    )
    model = keras.models.load_model(tmp_path / "x" / "model.keras")
    kernel = np.asarray(model.layers[1].layers[-1].kernel)
    ours = load_model(runs.load(tmp_path / "x"))
    assert inference.penalty(ours) == pytest.approx(1e-2 * (kernel**2).sum(), rel=1e-5)
    some = data.load_dataset("mnist", data_dir).validation_images
    np.testing.assert_allclose(ours(some), model(some), rtol=1e-5, atol=1e-6)


LAYER = {
    "module": "keras.layers",
    "class_name": "Dense",
    "config": {"units": 3},
    "registered_name": None,
}


@pytest.mark.parametrize(
    "layer",
    [
        LAYER | {"class_name": "Lambda"},
        LAYER | {"module": "os", "class_name": "system"},
        LAYER
        | {
            "module": "builtins",
            "class_name": "function",
            "config": "eval",
            "registered_name": "function",
        },
        LAYER
        | {
            "config": {
                "units": 3,
                "activation": {"class_name": "__lambda__", "config": {"value": "x"}},
            }
        },
        LAYER | {"registered_name": "own>Thing"},
        LAYER
        | {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/etc"}},
        LAYER
        | {
            "build_config": {
                "input_shape": {
                    "class_name": "StringLookup",
                    "module": "keras.layers",
                    "config": {},
                }
            }
        },
        LAYER
        | {
            "config": {
                "units": 3,
                "kernel_initializer": {"module": "keras.src.saving", "class_name": "load_model"},
            }
        },
    ],
)
def test_an_archive_that_names_anything_but_reviewed_layers_is_refused_before_it_is_read(
    layer, monkeypatch
):
    monkeypatch.setattr(keras.Sequential, "from_config", None)
    with pytest.raises(own_networks.NetworkError, match="none of the layers"):
        own_networks.from_config({"layers": [LAYER, layer]}, (28, 28, 1), 10)


def test_a_word_is_a_folder_or_a_file_in_the_data_folder_or_here(tmp_path, monkeypatch):
    folder_of(tmp_path / "data" / "birds", [Image.fromarray(one) for one in images(3, (8, 8))[0]])
    write_npz(tmp_path / "data" / "cells.NPZ", GREY, LABELS, GREY, LABELS)
    (tmp_path / "data" / "cells.NPZ.npz").rename(tmp_path / "data" / "cells.npz")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    (tmp_path / "here" / "birds.txt").touch()
    for word, name in (
        ("birds", "birds/"),
        ("birds/", "birds/"),
        ("cells", "cells.npz"),
        ("cells.npz", "cells.npz"),
    ):
        assert data.find(Settings(dataset=word).dataset, tmp_path / "data")[0] == name
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("LAB_DATA_DIR", "~/data")
    assert data.find("birds")[0] == data.find("~/data/birds/")[0] == "birds/"
    with pytest.raises(
        UserError,
        match=r"'bird': choose from mnist, .* no folder bird and no bird\.npz in .*/data and the",
    ):
        data.find("bird")
    monkeypatch.delenv("LAB_DATA_DIR")
    with pytest.raises(
        UserError,
        match=r"unknown data set 'Mnist' \(did you mean mnist\?\): choose from mnist, "
        r"fashion_mnist",
    ):
        data.find("Mnist")
    (tmp_path / "data" / "birds").rename(tmp_path / "here" / "birds")
    assert data.find("birds")[0] == "birds/"
    for name in ("..", "/", "a\x1b/", ""):
        with pytest.raises(UserError, match="unknown data set"):
            Settings(dataset=name)


@pytest.mark.slow
def test_names_of_files_in_capitals_names_in_bytes_and_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with_classes(tmp_path, np.char.encode(["\xe4", "\u732b", "c"], "utf-8"))
    (tmp_path / "x.npz").rename(tmp_path / "X.NPZ")
    flags = ["--epochs", "1", "--batch-size", "30", "--results-dir", tmp_path / "r"]
    (tmp_path / "my.args").write_bytes(b"\xef\xbb\xbf--dataset ~/X.NPZ\n")
    for name, more in (
        ("a", ["--dataset=~/X.NPZ"]),
        ("b", [f"@{tmp_path}/my.args"]),
        ("c", ["@~/my.args"]),
    ):
        done = call("train", "-m", name, *more, *flags)
        assert done.returncode == 0, done.stderr
        assert runs.load(tmp_path / "r" / name).record.dataset.classes == ("\xe4", "\u732b", "c")
    (tmp_path / "my.args").write_text("--dataset ~/X.NPZ\n", "utf-16")
    assert_refused(
        call("train", "-m", "d", f"@{tmp_path}/my.args"),
        "my.args: its text is UTF-16: save it as UTF-8",
    )


def test_the_function_that_was_trained_is_the_one_that_is_evaluated(places, tmp_path):
    source = net_of(DENSE) + net_of(DENSE).replace("def net", "def other").removeprefix(HEAD)
    (tmp_path / "net.py").write_text(source)
    evaluated_like_trained(tmp_path, places, ("--net", tmp_path / "net.py:net"))
    flags = ["--net", tmp_path / "net.py:other", "--results-dir", tmp_path / "r"]
    assert_refused(call("evaluate", "-m", "x", *flags), "is of the function net, not of other")


def test_a_lambda_is_found_wherever_its_file_lies_and_the_next_command_names_it(places, tmp_path):
    (tmp_path / "net.py").write_text(
        net_of(
            "x = layers.Dense(9, activation=lambda x: ops.sin(x))(flat)\n"
            "return keras.Model(inputs, layers.Dense(classes)(x))"
        )
    )
    flags = [
        "--net",
        tmp_path / "net.py:net",
        "--dataset",
        places / "animals.npz",
        "--results-dir",
        tmp_path / "r",
    ]
    done = call("train", "-m", "x", "--epochs", "1", "--batch-size", "15", *flags)
    assert done.returncode == 0, done.stderr
    assert (
        f"evaluate.py -m x --net={tmp_path}/net.py:net" in done.stdout
        or f"--net {tmp_path}/net.py:net" in done.stdout
    )


def test_outputs_that_are_no_probabilities_are_logits_whatever_the_seed():
    body = "x = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3)(inputs))\n"
    source = net_of(
        f"{body}return keras.Model(inputs, layers.Dense(classes, activation='sigmoid')(x))"
    )
    built = [
        own_networks.build_own("net.py:net", source, (20, 20, 1), 2, seed=seed) for seed in range(6)
    ]
    assert {model.layers[-1].activation.__name__ for model in built} == {"softmax"}


def test_names_with_line_breaks_classes_without_test_pictures_and_more_arrays(tmp_path, capsys):
    for name, count in (("x\ny", 10), ("b", 10), ("few", 4)):
        (tmp_path / "d" / name).mkdir(parents=True)
        for number, picture in enumerate(images(count, (9, 9))[0]):
            Image.fromarray(picture).save(tmp_path / "d" / name / f"{number}.png")
    arrays = own.load_own(tmp_path / "d")
    assert arrays.classes == ("b", "few", r"x\ny")
    assert "no picture for testing of few." in capsys.readouterr().out
    np.savez(
        tmp_path / "more.npz",
        x_train=GREY,
        y_train=LABELS,
        x_test=GREY,
        y_test=LABELS,
        x_val=GREY,
        names=LABELS,
    )
    own.load_own(tmp_path / "more.npz")
    assert "left out: names, x_val; read are x_train" in capsys.readouterr().out
