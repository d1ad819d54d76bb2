"""Finding, checking, downloading and splitting data sets."""

import gzip
import hashlib
import http.server
import io
import os
import tarfile
import threading
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest

from lab import data
from lab.data import download
from lab.data.lookup import resolve
from lab.experiments import sweep
from lab.settings import Settings, UserError
from tests.conftest import write_npz

IMAGES = np.arange(3 * 28 * 28, dtype=np.uint8).reshape(3, 28, 28)
LABELS = np.array([1, 2, 9], np.uint8)


def test_mnist5k_is_stratified_and_always_the_same(mnist5k):
    assert (
        mnist5k.train_images.shape == (4000, 28, 28, 1) and mnist5k.train_images.dtype == np.uint8
    )
    assert mnist5k.validation_images.shape == (1000, 28, 28, 1)
    assert np.bincount(mnist5k.train_labels).tolist() == [400] * 10
    assert np.bincount(mnist5k.validation_labels).tolist() == [100] * 10
    assert not {image.tobytes() for image in mnist5k.train_images} & {
        i.tobytes() for i in mnist5k.validation_images
    }
    assert data.fingerprint(mnist5k).startswith("8c1be6441cea5d97")


def test_mnist5k_is_mnist(mnist5k, full_mnist):
    full = data.load_dataset("mnist", full_mnist)
    known = {image.tobytes(): label for image, label in zip(full.train_images, full.train_labels)}
    known |= {
        image.tobytes(): label
        for image, label in zip(full.validation_images, full.validation_labels)
    }
    assert all(
        known[image.tobytes()] == label
        for image, label in zip(mnist5k.train_images, mnist5k.train_labels)
    )


def test_full_data_sets(full_mnist):
    for name in ("mnist", "fashion_mnist"):
        arrays = data.load_dataset(name, full_mnist)
        assert arrays.train_images.shape == (60_000, 28, 28, 1)
        assert (
            arrays.validation_labels.shape == (10_000,)
            and arrays.validation_labels.dtype == np.int64
        )


def test_data_folder_from_flag_and_environment(data_dir, monkeypatch):
    by_flag = data.load_dataset("mnist", data_dir)
    monkeypatch.setenv("LAB_DATA_DIR", str(data_dir))
    by_environment = data.load_dataset("mnist")
    assert data.fingerprint(by_flag) == data.fingerprint(by_environment)
    assert by_flag.train_images.shape == (640, 28, 28, 1)


def pickled(path):
    np.savez(path, x_train=np.array([{}], object), y_train=LABELS, x_test=IMAGES, y_test=LABELS)


def text_members(path):
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("x_train", "y_train", "x_test", "y_test"):
            archive.writestr(name, "text")


BROKEN = {
    "truncated": lambda path: (
        write_npz(path, IMAGES, LABELS, IMAGES, LABELS),
        path.write_bytes(path.read_bytes()[:-900]),
    ),
    "no archive": lambda path: path.write_text("hello"),
    "empty": lambda path: path.write_bytes(b""),
    "one array": lambda path: np.save(path.open("wb"), IMAGES),
    "lacks an array": lambda path: np.savez(path, x_train=IMAGES, y_train=LABELS),
    "pickled": pickled,
    "wrong shape": lambda path: write_npz(path, IMAGES[:, 1:], LABELS, IMAGES, LABELS),
    "wrong type": lambda path: write_npz(path, IMAGES / 255, LABELS, IMAGES, LABELS),
    "no images": lambda path: write_npz(path, IMAGES[:0], LABELS[:0], IMAGES, LABELS),
    "too few labels": lambda path: write_npz(path, IMAGES, LABELS[1:], IMAGES, LABELS),
    "label too large": lambda path: write_npz(path, IMAGES, LABELS + 1, IMAGES, LABELS),
    "labels no numbers": lambda path: write_npz(path, IMAGES, ["a", "b", "c"], IMAGES, LABELS),
    "rows for columns": lambda path: write_npz(
        path, IMAGES.reshape(3, 14, 56), LABELS, IMAGES, LABELS
    ),
    "flat": lambda path: write_npz(path, IMAGES.reshape(3, -1), LABELS, IMAGES, LABELS),
    "float labels": lambda path: write_npz(path, IMAGES, LABELS * 1.0, IMAGES, LABELS),
    "no arrays inside": text_members,
    "a folder": lambda path: path.mkdir(),
}


def promising(shape, kind="|u1", content=b"", labels=LABELS):
    """A data set whose images' header promises this shape and type."""

    def write(path):
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": kind, "fortran_order": False, "shape": shape}
        )
        write_npz(path, IMAGES, labels, IMAGES, LABELS)
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        with zipfile.ZipFile(path, "w") as archive:
            for name, old in members.items():
                archive.writestr(
                    name, header.getvalue() + content if name == "x_train.npy" else old
                )

    return write


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (promising((10**12, 28, 28)), "x_train.npy is shorter than its header says"),
        (promising((12_000_000, 1, 1), content=bytes(12_000_000)), "found 1x1, grey"),
        (promising((3, 2000, 2000), content=bytes(3 * 2000**2)), "found 2000x2000, grey"),
        (promising((3, 28, 28), "<f8", content=bytes(8 * 3 * 28 * 28)), "found float64"),
        (promising((3, 28, 28), "<M8[s]", content=bytes(8 * 3 * 28 * 28)), "found datetime64"),
        (
            promising((3, 28, 28), content=bytes(3 * 28 * 28), labels=[0, 1, 2_000_000_000]),
            "found 0 to 2000000000",
        ),
        (promising((3, 28, 28), content=bytes(3 * 28 * 28), labels=[0, 1, -1]), "found -1 to 1"),
        (
            promising((3, 28, 28), content=bytes(3 * 28 * 28), labels=[[0, 1, 1]]),
            r"found int64, \(1, 3\)",
        ),
    ],
)
@pytest.mark.parametrize("name", ["mnist", "own.npz"])
def test_sizes_are_checked_before_memory_is_taken(write, said, name, tmp_path):
    write(tmp_path / f"{name.removesuffix('.npz')}.npz")
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match=said):
            data.load_dataset(name, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_file_is_named_and_left_as_it_was(fault, tmp_path):
    path = tmp_path / "mnist.npz"
    BROKEN[fault](path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(UserError) as error:
        data.find(None, tmp_path)  # never swapped for another data set
    assert str(path) in str(error.value)
    assert before is None or path.read_bytes() == before


def test_a_data_folder_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="no data folder"):
        data.load_dataset("mnist", tmp_path / "nowhere")
    with pytest.raises(UserError, match="no data folder"):
        data.load_dataset("mnist5k", tmp_path / "nowhere")


def test_offline_only_an_unnamed_data_set_is_replaced(capsys):
    name, arrays = data.find()
    assert name == "mnist5k" and len(arrays.train_images) == 4000
    assert capsys.readouterr().out.count("\n") == 1
    with pytest.raises(UserError, match=r"put mnist\.npz .* --data-dir"):
        data.find("mnist")
    with pytest.raises(UserError, match=r"put cifar10\.npz"):
        data.load_dataset("cifar10")


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serve a folder on this machine, and let the sources point to it."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name)
    folder = tmp_path / "served"
    folder.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args):
            super().__init__(*args, directory=folder)

        def log_message(self, *args):
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()

    def serve(name, files, place="."):
        for file, content in files.items():
            (folder / file).write_bytes(content)
        hashes = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
        url = f"http://127.0.0.1:{httpd.server_port}/"
        source = download.SOURCES[name]._replace(url=url, folder=place, files=hashes)
        monkeypatch.setitem(download.SOURCES, name, source)
        return folder

    yield serve
    httpd.shutdown()


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return gzip.compress(header + array.tobytes())


def test_fashion_mnist_is_downloaded_once_and_read_from_the_cache(server):
    parts = {"train-images-idx3-ubyte.gz": IMAGES, "train-labels-idx1-ubyte.gz": LABELS}
    parts |= {"t10k-images-idx3-ubyte.gz": IMAGES[::-1], "t10k-labels-idx1-ubyte.gz": LABELS[::-1]}
    folder = server(
        "fashion_mnist", {file: idx(array) for file, array in parts.items()}, "fashion-mnist"
    )
    first = data.load_dataset("fashion_mnist")
    np.testing.assert_array_equal(first.train_images[..., 0], IMAGES)
    np.testing.assert_array_equal(first.validation_labels, LABELS[::-1])
    for file in folder.iterdir():
        file.unlink()
    assert data.fingerprint(data.load_dataset("fashion_mnist")) == data.fingerprint(first)


def test_cifar10_is_read_from_the_binary_archive(server):
    rng = np.random.default_rng(0)
    batches = {f"data_batch_{i}": rng.integers(0, 10, (2, 3073), np.uint8) for i in range(1, 6)}
    batches["test_batch"] = rng.integers(0, 10, (2, 3073), np.uint8)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, records in batches.items():
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{name}.bin")
            member.size = records.nbytes
            archive.addfile(member, io.BytesIO(records.tobytes()))
    server("cifar10", {"cifar-10-binary.tar.gz": packed.getvalue()})
    arrays = data.load_dataset("cifar10")
    assert arrays.train_images.shape == (10, 32, 32, 3)
    record = batches["data_batch_3"][1]
    assert arrays.train_labels[5] == record[0]
    assert arrays.train_images[5, 4, 7].tolist() == [
        record[1 + colour * 1024 + 4 * 32 + 7] for colour in range(3)
    ]


def test_a_download_of_something_else_is_refused_and_not_kept(server):
    folder = server("mnist", {"mnist.npz": b"the right file"})
    (folder / "mnist.npz").write_bytes(b"something else")
    with pytest.raises(UserError, match="not the file it should be"):
        data.load_dataset("mnist")
    cache = Path(os.environ["KERAS_HOME"], "datasets")
    assert not [path for path in cache.iterdir() if not path.name.endswith(".lock")]


def test_stacked_digits_are_three_images_each_and_the_grids_points_lie_at_its_modes(data_dir):
    stacked, digits = (
        data.load_dataset("stacked_mnist", data_dir),
        data.load_dataset("mnist", data_dir),
    )
    assert (
        stacked.train_images.shape == (640, 28, 28, 3)
        and len(stacked.classes) == 1000
        and stacked.classes[42] == "042"
    )
    known = {
        image.tobytes(): label for image, label in zip(digits.train_images, digits.train_labels)
    }
    for image, label in zip(stacked.train_images[:20], stacked.train_labels):
        assert [known[image[..., colour].tobytes()] for colour in range(3)] == [
            label // 100,
            label // 10 % 10,
            label % 10,
        ]
    grid = data.load_dataset("grid")
    centres = np.array(
        [grid.train_images[grid.train_labels == mode].mean(axis=0) for mode in range(25)]
    )
    np.testing.assert_allclose(centres, data.GAUSSIANS["grid"].centres, atol=0.005)
    assert sorted({*centres.round().ravel()}) == [-4, -2, 0, 2, 4]


def test_holdout_takes_training_images_and_no_test_images(mnist5k):
    held = data.hold_out(mnist5k, 500)
    assert len(held.train_images) == 3500 and len(held.validation_images) == 500
    together = np.concatenate([held.train_images, held.validation_images])
    assert sorted(i.tobytes() for i in together) == sorted(
        i.tobytes() for i in mnist5k.train_images
    )
    assert data.fingerprint(held) == data.fingerprint(data.hold_out(mnist5k, 500))
    with pytest.raises(UserError, match="4000"):
        data.hold_out(mnist5k, 4000)


def test_data_smaller_than_the_steps_or_what_is_held_out(data_dir):
    for settings, said in (
        (
            Settings(net="gan-dense", batch_size=64, steps_per_epoch=11),
            "11 steps .* 10 batches of 64 images",
        ),
        (Settings(holdout=640), "cannot hold out 640 images: there are 640"),
    ):
        with pytest.raises(UserError, match=said):
            data.for_run(settings, data_dir)


@pytest.mark.parametrize("net", ["dense", "gan-dense"])
def test_a_batch_is_no_larger_than_the_training_images_and_equal_runs_are_trained_once(
    net, data_dir, capsys
):
    settings, arrays = data.for_run(Settings(net=net, batch_size=601, holdout=40), data_dir)
    assert settings == data.for_run(Settings(net=net, batch_size=600, holdout=40), data_dir)[0]
    assert settings.batch_size == len(arrays.train_images) == 600 and settings.steps_per_epoch in (
        None,
        1,
    )
    assert capsys.readouterr().out.count("Batch size 601 is more than the 600 training images") == 1
    sizes = {
        f"batch-size={size}/seed={seed}": (size, seed) for size in (64, 641, 900) for seed in (0, 1)
    }
    planned = {
        name: Settings(net=net, batch_size=size, seed=seed) for name, (size, seed) in sizes.items()
    }
    found, _ = sweep.load_data(planned, data_dir)
    assert [(one.batch_size, one.seed) for one in found.values()] == [
        (64, 0),
        (64, 1),
        (640, 0),
        (640, 1),
    ]
    said = capsys.readouterr().out
    assert (
        said.count("Batch size") == 2
        and "2 of 6 runs are left out" in said
        and "batch-size=900/seed=1" in said
    )


def test_what_only_the_data_tell_is_filled_in(data_dir):
    assert data.for_run(Settings(), data_dir)[0] == Settings(dataset="mnist")
    for net, batch_size, steps in (
        ("gan-dense", 100, 6),
        ("gan-dense", 640, 1),
        ("gan-conv", 2, 128),
        ("gan-conv", 64, 10),
    ):
        settings, arrays = data.for_run(
            Settings(net=net, batch_size=batch_size, holdout=0), data_dir
        )
        assert (settings.steps_per_epoch, len(arrays.train_images)) == (steps, 640)
    settings, arrays = data.for_run(
        Settings(net="gan-dense", batch_size=64, steps_per_epoch=3, holdout=140), data_dir
    )
    assert (settings.steps_per_epoch, len(arrays.train_images), len(arrays.validation_images)) == (
        3,
        500,
        140,
    )


def test_what_was_not_given_stays_to_be_chosen(mnist5k):
    """A search chooses every setting that was not given, the batch size too."""
    settings = resolve(Settings(hidden=(9,)), "mnist5k", mnist5k)
    assert not {"batch_size", "learning_rate"} & settings.model_fields_set
    assert "batch_size" in resolve(Settings(batch_size=9_000), "mnist5k", mnist5k).model_fields_set


def test_the_fingerprint_sees_one_changed_label(mnist5k):
    labels = mnist5k.train_labels.copy()
    labels[17] = (labels[17] + 1) % 10
    assert data.fingerprint(mnist5k._replace(train_labels=labels)) != data.fingerprint(mnist5k)
