"""Runs on disk: names, broken and foreign files, atomic writing."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from lab import runs
from lab.backend import networks
from lab.evaluation import archive
from lab.runs import code
from lab.settings import Settings, UserError
from models.classifiers import build_dense_net
from tests.conftest import ROOT

DATASET = {"name": "mnist5k", "sha256": "0", "train": 4000, "validation": 1000}
LISTS = {
    "loss": [1.0],
    "accuracy": [0.5],
    "val_loss": [1.0],
    "val_accuracy": [0.5],
    "epoch_seconds": [0.5],
}
HISTORY = {"status": "complete", **LISTS}


@pytest.fixture
def folder(tmp_path):
    """A finished run."""
    folder = tmp_path / "run"
    folder.mkdir()
    regularized = {"regularizer_strength": 1e-3, "batch_norm": True, "dropout": 0.1}
    settings = Settings(dataset="mnist5k", **regularized)
    model = networks.build(**dict(settings))
    model.compile("adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.save(folder / "model.keras")
    record = {
        "settings": settings.to_json(),
        "parameters": model.count_params(),
        "dataset": DATASET,
    }
    runs.write_json(folder / "config.json", record)
    runs.write_json(folder / "history.json", HISTORY | {"loss": [float("nan")]})
    return folder


def load_model(folder):
    return archive.load_model(runs.load_trained(folder))


@pytest.mark.parametrize("name", ["a", "sweep/seed=0", "hidden=25,50_x", "A.b-c", "-x"])
def test_plain_names(name, tmp_path):
    assert runs.folder_of(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "/x",
        "a/../b",
        "a//b",
        "a/",
        ".a",
        "a b",
        "a\n",
        "ü",
        "a\\b",
        "~",
        "a:b",
        "a" * 201,
        "a/tensorboard",
    ],
)
def test_names_that_are_none(name, tmp_path):
    with pytest.raises(UserError, match="not a run's name"):
        runs.folder_of(tmp_path, name)


def test_a_link_out_of_the_results_folder(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "out").symlink_to(tmp_path)
    with pytest.raises(UserError, match="outside"):
        runs.folder_of(tmp_path / "results", "out/run")


def test_an_older_run_is_only_replaced_on_request_and_other_files_stay(folder):
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="--overwrite"):
        runs.check_free(folder)
    runs.check_free(folder, overwrite=True)
    (folder / "tensorboard" / "train").mkdir(parents=True)
    (folder / "tensorboard" / "train" / "events.out.tfevents.1700000000.host.1.0.v2").touch()
    with (
        pytest.raises(UserError, match="--overwrite"),
        runs.writing(folder),
    ):  # another process may have come first
        pass
    assert len(list(folder.iterdir())) == 5
    with runs.writing(folder, overwrite=True):  # its first epoch does not end
        assert len(list(folder.iterdir())) == 6
    assert len(list(folder.iterdir())) == 5
    with runs.writing(folder, overwrite=True) as claim:
        claim.begin({"history.json": b"new"})
        assert sorted(path.name for path in folder.iterdir()) == [
            ".lock",
            "config.json",
            "history.json",
            "notes.txt",
        ]
    assert (folder / "history.json").read_bytes() == b"new"


def test_an_unfinished_run_that_may_not_be_replaced_stays(folder):
    (folder / "history.json").unlink()
    with pytest.raises(UserError, match="--overwrite"), runs.writing(folder):
        pass
    assert sorted(path.name for path in folder.iterdir()) == ["config.json", "model.keras"]


def test_a_run_that_ends_before_its_first_epoch_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError), runs.writing(tmp_path / "run"):
        (tmp_path / "run" / "config.json").write_text("{}")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_results_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"):
        runs.check_free(tmp_path / "file" / "run")


def test_two_processes_cannot_write_one_run(tmp_path):
    with (
        runs.writing(tmp_path / "run"),
        pytest.raises(UserError, match="another process"),
        runs.writing(tmp_path / "run"),
    ):
        pass


def test_processes_that_take_and_leave_a_folder_do_not_hinder_each_other(tmp_path):
    """Each removes it in the end, while another makes it."""
    code = "import sys; from pathlib import Path; from lab import runs\nfor _ in range(150):\n"
    code += "    with runs.locked(Path(sys.argv[1]), 60):\n"
    code += "        (Path(sys.argv[1]) / 'x').touch(); (Path(sys.argv[1]) / 'x').unlink()\n"
    command = [sys.executable, "-c", code, tmp_path / "a" / "b"]
    processes = [
        subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) for _ in range(8)
    ]
    assert [process.communicate(timeout=120)[1] for process in processes] == [""] * 8
    assert not (tmp_path / "a" / "b").exists()


def test_what_is_written_is_on_the_disk_before_it_takes_the_place_of_what_was_there(
    tmp_path, monkeypatch
):
    """First the file, then that it is there: as a power cut would else leave an empty file, or
    none.
    """
    done, real = [], {name: getattr(os, name) for name in ("fsync", "replace")}
    for name in real:
        monkeypatch.setattr(
            os, name, lambda *args, name=name: done.append((name, seen(args))) or real[name](*args)
        )

    def seen(args):
        return (
            Path(os.readlink(f"/proc/self/fd/{args[0]}")).name
            if isinstance(args[0], int)
            else Path(args[1]).name
        )

    runs.write_json(tmp_path / "file.json", {"a": 1})
    expected = [
        ("fsync", f".file.{os.getpid()}.json"),
        ("replace", "file.json"),
        ("fsync", tmp_path.name),
    ]
    assert done == expected
    done.clear()
    with runs.locked(tmp_path / "a" / "b"):  # each folder that is new, in the one above it
        assert done == [("fsync", "a"), ("fsync", tmp_path.name)]


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "file.json"
    runs.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        runs.write_json(path, {"a": object()})
    with pytest.raises(RuntimeError), runs.atomic(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_nan_is_null(folder):
    assert runs.load(folder).history.curves["loss"] == [None]
    assert "NaN" not in (folder / "history.json").read_text()


def test_a_saved_model_loads_and_is_the_same(folder):
    images = np.random.default_rng(0).integers(0, 256, (4, 28, 28, 1), np.uint8)
    np.testing.assert_array_equal(
        load_model(folder).predict_on_batch(images),
        keras.saving.load_model(folder / "model.keras", compile=False).predict_on_batch(images),
    )


def test_a_run_that_is_not_there(tmp_path):
    with pytest.raises(UserError, match="or train it first"):
        runs.existing(tmp_path, "run")


def test_a_folder_without_a_finished_run_is_told_from_one_of_several(folder):
    (folder / "history.json").unlink()  # killed in its first epoch
    said = r"no finished run: it has no history\.json. To resume it: python train.py -m run --drop"
    with pytest.raises(UserError, match=said):
        runs.load_trained(folder)
    with pytest.raises(UserError, match=f"holds several runs: name one of them, as {folder}"):
        runs.load_trained(folder.parent)


@pytest.mark.parametrize("file", ["config.json", "history.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", '"x"', "{}", "\xff", "[" * 100_000])
def test_broken_json_is_named_and_left_as_it_was(file, content, folder):
    (folder / file).write_text(content, "latin-1")
    with pytest.raises(UserError) as error:
        runs.load_trained(folder)
    assert str(folder / file) in str(error.value) and "\n" not in str(error.value)
    assert (folder / file).read_text("latin-1") == content


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"status": "done"}, '"status": input should be'),
        ({"status": ["complete"]}, '"status": input should be'),
        ({"epoch_seconds": None}, '"epoch_seconds": input should be a valid list'),
        ({"val_loss": [1.0, 2.0]}, "expected lists of equal length"),
        ({"val_loss": None}, '"val_loss": input should be a valid list'),
        ({name: [] for name in LISTS}, '"epoch_seconds": list should have at least 1 item'),
        ({"epoch_seconds": ["x"]}, "input should be a valid number"),
        ({"epoch_seconds": [None]}, "input should be a valid number"),
        ({"loss": [10**400]}, r"history\.json"),
        ({"accuracy": [7.0]}, 'expected numbers from 0 to 1 in "accuracy"'),
        ({"val_accuracy": [-1.0]}, 'expected numbers from 0 to 1 in "val_accuracy"'),
        ({"saved_epoch": 99}, 'expected "saved_epoch", a whole number from 1 to 1'),
        ({"saved_epoch": 0}, 'expected "saved_epoch"'),
        ({"saved_epoch": None}, '"saved_epoch": input should be a valid integer'),
        ({"device": 3}, '"device": input should be a valid string'),
        ({"compiled": "yes"}, '"compiled": input should be a valid boolean'),
        ({"status": "training"}, "is not finished"),
        ({"status": "diverged"}, "has no model"),
    ],
    ids=str,
)
def test_histories_without_a_trained_model(change, said, folder):
    (folder / "history.json").write_text(json.dumps(HISTORY | change))
    with pytest.raises(UserError, match=said) as error:
        runs.load_trained(folder)
    assert str(folder) in str(error.value) and "\n" not in str(error.value)


def test_a_history_of_another_kind_of_network(folder):
    (folder / "history.json").write_text(
        json.dumps({"status": "complete", "epoch_seconds": [1.0], "generator_loss": [1.0]})
    )
    with pytest.raises(
        UserError, match=r"history\.json: expected lists accuracy, loss, val_accuracy, val_loss"
    ):
        runs.load(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": {"net": "cubist"}}, "unknown net 'cubist'"),
        ({"settings": {"net": "dense", "hiden": [3]}}, "unknown setting 'hiden'"),
        ({"settings": {"net": "dense", "unroll": 5}}, "--unroll is for GANs"),
        ({"settings": None}, '"settings": input should be a valid dictionary'),
        ({"settings": []}, '"settings": input should be a valid dictionary'),
        (
            {"settings": {}},
            'expected "settings" with "net" among them',
        ),  # which was once said to be a fault of the model
        ({"settings": {"net": "dense", "self": 1}}, "unknown setting 'self'"),
        (
            {"settings": {"net": "dense", "dataset": "mnist5k", "learning_rate": None}},
            'written by an earlier version, which left "learning_rate" open',
        ),
        ({"parts": [{"after": 3}, {"after": 2}]}, 'expected "parts" by rising epochs'),
        ({"dataset": "mnist"}, '"dataset": input should be a valid dictionary'),
        ({"dataset": {"name": "mnist"}}, '"dataset.sha256": field required'),
        ({"dataset": DATASET | {"name": "../../etc"}}, '"dataset.name": input should be'),
        ({"parameters": "many"}, '"parameters": input should be a valid integer'),
        ({"threads": 100_000}, '"threads": input should be less than'),
        ({"command": ["rm"]}, '"command": input should be a valid string'),
        ({"parameters": 10**400}, '"parameters": input should be less than'),
        ({"settings": {"net": None}}, "unknown net None"),
        ({"settings": {"net": "dense", "epochs": None}}, "epochs must be a whole number"),
        (
            {"settings": {"net": "dense", "dataset": "cifar10"}},
            "its settings name the data set cifar10",
        ),
    ],
    ids=str,
)
def test_records_that_are_none(change, said, folder):
    record = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(record | change))
    with pytest.raises(UserError, match=rf"config\.json: .*{said}") as error:
        load_model(folder)
    assert "\n" not in str(error.value)
    if "unknown setting" in said:  # of a later version, perhaps: no reason to train it again
        assert "--overwrite" not in str(error.value)


def test_differences_of_runs_are_those_of_what_they_were_trained_with(folder):
    run = runs.load(folder)

    def other(sha256="0", device="unknown", **settings):
        dataset, history = run.record.dataset.model_copy(update={"sha256": sha256}), run.history
        changed = {"dataset": dataset, "settings": run.settings.replace(**settings)}
        record = run.record.model_copy(update=changed)
        return run._replace(record=record, history=history.model_copy(update={"device": device}))

    assert runs.differences([run, other(seed=5)]) == []
    assert (
        runs.differences([run, other(learning_rate=1e-3, hidden=(200, 100))]) == []
    )  # as by default
    assert runs.differences([run, other("1", dropout=0.5, epochs=3)]) == [
        "dropout",
        "epochs",
        "data",
    ]
    assert (
        runs.differences([run, other(device="unknown", threads=2)]) == []
    )  # typed, but what trained was the same
    assert runs.differences([run, other(device="GPU: X", threads=2)]) == ["threads"]


def test_every_file_of_a_run_is_removed_with_it(folder):
    for file in runs.File:
        (folder / file).write_text("")
        (folder / f".{Path(file).stem}.123{Path(file).suffix}").write_text(
            ""
        )  # of a process that was killed
    with runs.writing(folder, overwrite=True) as claim:
        claim.begin({"config.json": b"{}"})
        assert sorted(path.name for path in folder.iterdir()) == [".lock", "config.json"]
    assert not folder.exists()  # it has no history, as if no epoch had ended


def rewrite_model(path, change):
    """Rewrite a saved model's configuration as an attacker would."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content["config.json"] = json.dumps(change(json.loads(content["config.json"]))).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def call(module, name, *arguments, **more):
    return {
        "module": module,
        "class_name": name,
        "config": {"args": arguments},
        "registered_name": None,
        **more,
    }


FOREIGN = {
    "lambda": call("keras.layers", "Lambda"),
    "saved model": call("keras.layers", "TFSMLayer"),
    "a function of Keras": call("keras.utils", "get_file", "http://127.0.0.1/x"),
    "a function among the layers": call("keras.layers", "deserialize"),
    "another package": call("os", "system", "true"),
    "a module inside Keras": call("keras.src.utils.file_utils", "get_file"),
    "no module": {"class_name": "Lambda", "config": {}},
    "a name for the builtins": call("builtins", "function"),
    "a registered name": call("keras.layers", "Dense", registered_name="evil>Dense"),
    "a name that is none": call("keras.layers", ["Dense"]),
    "a layer that reads files": call("keras.layers", "StringLookup"),
}


@pytest.mark.parametrize("layer", FOREIGN)
def test_a_model_with_foreign_code_is_refused_before_keras_sees_it(layer, folder, monkeypatch):
    def add(config):
        config["config"]["layers"].append(FOREIGN[layer])
        return config

    rewrite_model(folder / "model.keras", add)
    monkeypatch.setattr(
        keras.saving, "load_model", lambda *args, **more: pytest.fail("Keras saw it")
    )
    with pytest.raises(UserError, match="our networks do not use"):
        load_model(folder)


@pytest.mark.parametrize("length", [0, 100, -100])
def test_a_truncated_model(length, folder):
    path = folder / "model.keras"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(UserError, match="not the model"):
        load_model(folder)


def test_a_model_with_the_weights_of_another(folder, tmp_path):
    other = tmp_path / "other.keras"
    build_dense_net(hidden=(7, 7)).save(other)
    with zipfile.ZipFile(other) as archive:
        weights = archive.read("model.weights.h5")
    path = folder / "model.keras"
    with zipfile.ZipFile(path) as archive:
        config = archive.read("config.json")
        metadata = archive.read("metadata.json")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in (
            ("config.json", config),
            ("metadata.json", metadata),
            ("model.weights.h5", weights),
        ):
            archive.writestr(name, data)
    with pytest.raises(UserError) as error:
        load_model(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "model",
    [
        lambda: build_dense_net(regularizer_strength=1e-3, hidden=(6,), batch_norm=True),
        lambda: build_dense_net(hidden=(5,), input_shape=(32, 32, 3)),
        lambda: build_dense_net(hidden=(5,), classes=7),
        lambda: keras.Sequential(
            [keras.Input((28, 28, 1)), keras.layers.Flatten(), keras.layers.Dense(10)]
        ),
    ],
)
def test_the_model_of_another_run(model, folder):
    model().save(folder / "model.keras")
    with pytest.raises(UserError, match="does not fit"):
        load_model(folder)


def test_a_run_without_its_model(folder):
    (folder / "model.keras").unlink()
    with pytest.raises(UserError, match=r"no model\.keras"):
        load_model(folder)


def test_the_commit_is_named_in_a_checkout():
    commit, patch = runs.checkout()
    if (Path(__file__).parents[1] / ".git").exists():
        assert len(commit.removesuffix("-dirty")) == 40 and commit.endswith("-dirty") == bool(patch)
    else:
        assert (commit, patch) == (None, b"")


def test_what_was_changed_since_the_commit_is_kept_and_can_be_applied(tmp_path, monkeypatch):
    def git(*command, folder=tmp_path):
        subprocess.run(
            ["git", "-c", "user.name=x", "-c", "user.email=x", *command],
            cwd=folder,
            check=True,
            capture_output=True,
        )

    def checkout():
        return code.checkout.__wrapped__()

    project = tmp_path / "project"
    before = {
        "lab/a.py": "a = 1\n",
        "run.py": "",
        "figure.png": "\0",
        ".gitignore": "ignored.py\n",
        "../other.py": "",
    }
    for name, content in before.items():
        (project / name).parent.mkdir(exist_ok=True, parents=True)
        (project / name).write_text(content)
    monkeypatch.setattr(code, "ROOT", project)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert checkout() == (None, b"")
    for command in (["init"], ["add", "."], ["commit", "-m", "x"], ["clone", ".", "clone"]):
        git(*command)
    git("config", "diff.noprefix", "true")
    git("config", "color.ui", "always")
    (project / "lab" / "ignored.py").write_text("x")
    (project / "notes.txt").write_text("x")
    (tmp_path / "other.py").write_text("x")  # what lies around the project is not its code
    commit, patch = checkout()
    assert len(commit) == 40 and patch == b""
    changes = {"lab/a.py": "a = 2\n", "lab/nü w.py": "b = 3\n", "figure.png": "\0\1", "new.py": "c"}
    for name, content in changes.items():
        (project / name).write_text(content)
    dirty, patch = checkout()
    assert dirty == f"{commit}-dirty"
    (tmp_path / "code.patch").write_bytes(patch)
    git("apply", "--directory", "project", str(tmp_path / "code.patch"), folder=tmp_path / "clone")
    assert {
        name: (tmp_path / "clone" / "project" / name).read_text() for name in changes
    } == changes
    assert not (tmp_path / "clone" / "project" / "notes.txt").exists()
    monkeypatch.setenv("PATH", "")
    assert checkout() == (None, b"")
