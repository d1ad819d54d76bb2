"""What lies in a run's folder goes only when what takes its place stands: runs that were broken
off, and that are replaced.
"""

import json
import os
import shutil
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from benchmarks.common import numbers
from lab import data, runs
from lab.runs import Output, checkpoint, code
from lab.settings import Settings, UserError
from lab.training import callbacks, recorder
from lab.training.run import train_run
from tests.conftest import ROOT, assert_refused, call, files_of

SETTINGS = Settings(hidden=(12,), epochs=4, batch_size=64, early_stopping=3, dataset="mnist5k")
GAN = Settings(net="gan-dense", hidden=(12, 12), epochs=3, batch_size=64, dataset="mnist5k")
TIMES = {"epoch_seconds", "total_seconds", "start_seconds", "compiled", "resumed"}


class PowerCut(Exception):
    """What ends a run as SIGKILL would: nothing is written after it."""


def train(settings, arrays, folder, **options):
    settings = data.resolve(settings, "mnist5k", arrays)
    output = Output(folder, folder.name, overwrite=options.pop("overwrite", False))
    return train_run(settings, arrays, output, **{"quiet": True} | options)


def break_off(error, epoch, *args, **options):
    """Train, and end with an error behind the callbacks of an epoch."""

    def end(self, number, logs=None):
        if number == epoch:
            raise error

    with pytest.MonkeyPatch.context() as patch, pytest.raises(error):
        patch.setattr(callbacks.Interrupt, "on_epoch_end", end)
        train(*args, **options)


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def without_times(history):
    return {name: values for name, values in history.items() if name not in TIMES}


@pytest.fixture(scope="module")
def arrays(mnist5k):
    return data.Arrays(*(array[:300] for array in mnist5k.arrays))


@pytest.fixture(scope="module")
def whole(arrays, tmp_path_factory):
    """The folder of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(SETTINGS, arrays, folder)
    return folder


@pytest.fixture(scope="module")
def stopped(arrays, tmp_path_factory):
    """The same, after Ctrl-C in its third epoch, and evaluated then."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    break_off(KeyboardInterrupt, 1, SETTINGS, arrays, folder)
    for name in ("evaluation.json", "confusion.png", "confusion.svg"):
        (folder / name).write_text("{}")
    return folder


@pytest.fixture
def killed_while_compiling(monkeypatch):
    """A function that trains, and is killed before the first epoch has ended."""

    def cut(self, *epoch):
        raise PowerCut

    def train_until_then(*args, **options):
        with monkeypatch.context() as patch, pytest.raises(PowerCut):
            patch.setattr(recorder.Recorder, "on_epoch_begin", cut)
            train(*args, **options)

    return train_until_then


def about_with(**changed):
    def change(arrays):
        arrays["about"] = np.array(json.dumps(json.loads(str(arrays["about"])) | changed))

    return change


def stopping_with(**changed):
    def change(arrays):
        about = json.loads(str(arrays["about"]))
        about_with(stopping=about["stopping"] | changed)(arrays)

    return change


def epochs_with(metric, value):
    def change(arrays):
        arrays["epochs"][0, json.loads(str(arrays["about"]))["metrics"].index(metric)] = value

    return change


def state_with(kind, value):
    """With another number in the first array of a kind of numbers."""

    def change(arrays):
        name = next(
            name
            for name, array in arrays.items()
            if name.startswith("state_") and array.dtype.kind == kind
        )
        arrays[name] = np.where(
            np.arange(arrays[name].size).reshape(arrays[name].shape) == 0, value, arrays[name]
        ).astype(arrays[name].dtype)

    return change


# By what is wrong: a change to a checkpoint's arrays, and what is said of it.
BROKEN = {
    "a state too few": (lambda arrays: arrays.popitem(), "arrays"),
    "a state too many": (lambda arrays: arrays.update(state_99=np.zeros(3, np.float32)), "arrays"),
    "a state of another shape": (
        lambda arrays: arrays.update(state_0=arrays["state_0"].T),
        "arrays",
    ),
    "a state of another type": (
        lambda arrays: arrays.update(state_0=arrays["state_0"].astype(float)),
        "arrays",
    ),
    "a weight that is no number": (state_with("f", np.nan), "not finite"),
    "a weight without end": (state_with("f", -np.inf), "not finite"),
    "steps below 0": (state_with("i", -5), "less than 0 steps"),
    "best weights too few": (lambda arrays: arrays.pop("best_0"), "arrays"),
    "no epochs": (lambda arrays: arrays.update(epochs=arrays["epochs"][:0]), "epochs"),
    "more epochs than the run": (
        lambda arrays: arrays.update(epochs=np.repeat(arrays["epochs"], 3, axis=0)),
        "epochs",
    ),
    "a column less": (lambda arrays: arrays.update(epochs=arrays["epochs"][:, 1:]), "epochs"),
    "epochs that are text": (
        lambda arrays: arrays.update(epochs=arrays["epochs"].astype(str)),
        "epochs",
    ),
    "seconds that are no number": (epochs_with("epoch_seconds", np.nan), "epoch_seconds"),
    "seconds without end": (epochs_with("epoch_seconds", np.inf), "epoch_seconds"),
    "seconds of 1e200": (epochs_with("epoch_seconds", 1e200), "epoch_seconds"),
    "negative seconds": (epochs_with("epoch_seconds", -1.0), "epoch_seconds"),
    "an accuracy of 7": (epochs_with("accuracy", 7.0), "accuracy"),
    "an accuracy of -1": (epochs_with("val_accuracy", -1.0), "val_accuracy"),
    "a loss that is no number": (epochs_with("loss", np.nan), "loss"),
    "other metrics": (about_with(metrics=["a", "b", "c", "d", "e"]), "metrics"),
    "a metric twice": (about_with(metrics=["loss"] * 5), "metrics"),
    "seconds in all that are negative": (about_with(seconds=-1.0), "seconds"),
    "resumed after -1": (about_with(resumed=[-1]), "resumed"),
    "resumed after 10**30": (about_with(resumed=[10**30]), "resumed"),
    "resumed after an epoch to come": (about_with(resumed=[3]), "resumed"),
    "resumed in no order": (about_with(resumed=[2, 1]), "epochs"),
    "nothing of early stopping": (about_with(stopping=None), "early stopping"),
    "the best epoch is to come": (stopping_with(best_epoch=7), "early stopping"),
    "the best loss is another": (stopping_with(best=1e-9), "early stopping"),
    "it waits since ever": (stopping_with(wait=10**9), "early stopping"),
    "it stopped at another epoch": (stopping_with(stopped_epoch=1), "early stopping"),
    "of a run with other settings": (about_with(identity="another"), "settings or data"),
    "more than it can say": (about_with(more=1), "more"),
}
FILES = {
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-40]),
    "misshapen": lambda path: path.write_bytes(
        path.read_bytes().replace(b"(784, 12)", b"(784,999)")
    ),
    "compressed": lambda path: np.savez_compressed(path, **dict(np.load(path))),
    "without end": lambda path: os.truncate(path, 2**40),
}


def break_checkpoint(path, kind):
    if kind in FILES:
        FILES[kind](path)
        return
    with np.load(path) as file:
        arrays = dict(file)
    BROKEN[kind][0](arrays)
    np.savez(path, **arrays)


@pytest.mark.parametrize("kind", [*BROKEN, *FILES])
def test_a_checkpoint_that_is_none_of_the_run_is_not_used(kind, stopped, tmp_path):
    folder = shutil.copytree(stopped, tmp_path / "run")
    run = runs.load(folder)
    identity = runs.identity(run.settings, run.record.dataset.sha256)
    with np.load(folder / "checkpoint.npz") as file:
        layout = {name: (file[name].shape, file[name].dtype.name) for name in file}
    several = [
        [one for name, one in layout.items() if name.startswith(part)]
        for part in ("state_", "best_")
    ]
    about = [identity, SETTINGS.kind.curves, SETTINGS.epochs, SETTINGS.early_stopping]
    about.append(run.record.parameters)
    trained = [place for place, (_, kind_of) in enumerate(several[0]) if kind_of == "float32"]
    counts = [place for place, (_, kind_of) in enumerate(several[0]) if kind_of.startswith("int")]
    fitting = runs.Fitting(*about, *several, trained, counts)
    assert len(checkpoint.load_checkpoint(folder, fitting).rows) == 2
    break_checkpoint(folder / "checkpoint.npz", kind)
    with pytest.raises(
        checkpoint.BrokenCheckpoint, match=BROKEN.get(kind, (None, None))[1]
    ) as raised:
        checkpoint.load_checkpoint(folder, fitting)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "kind",
    [
        "a weight that is no number",
        "steps below 0",
        "a state too few",
        "an accuracy of 7",
        "it stopped at another epoch",
        "cut",
        "without end",
    ],
)
def test_a_broken_checkpoint_is_set_aside_once_the_run_trained_anew_has_an_epoch(
    kind, stopped, whole, arrays, killed_while_compiling, capsys, tmp_path
):
    folder = shutil.copytree(stopped, tmp_path / "run")
    path = folder / "checkpoint.npz"
    break_checkpoint(path, kind)
    before = content(folder) if kind != "without end" else {}
    inode = path.stat().st_ino
    killed_while_compiling(SETTINGS, arrays, folder)
    assert kind == "without end" or content(folder) == before
    history = train(SETTINGS, arrays, folder, quiet=False)
    said = " ".join(capsys.readouterr().out.split())
    assert (
        f"{folder}: its checkpoint cannot be used (" in said
        and BROKEN.get(kind, ("", ""))[1] in said
    )
    assert "it is set aside as checkpoint.broken.npz, and the run is trained anew." in said
    assert (folder / "checkpoint.broken.npz").stat().st_ino == inode
    assert without_times(history) == without_times(json.loads((whole / "history.json").read_text()))
    assert numbers(folder / "model.keras") == numbers(whole / "model.keras")
    assert set(files_of(folder)) == {*files_of(whole), "checkpoint.broken.npz"}
    if kind == "cut":  # it stays, too, if the run was killed before it had a checkpoint of its own
        (folder / "history.json").write_text(
            (folder / "history.json").read_text().replace('"complete"', '"training"')
        )
        train(SETTINGS, arrays, folder)
        assert (folder / "checkpoint.broken.npz").stat().st_ino == inode


def test_what_ctrl_c_saved_stays_until_there_is_more(
    stopped, whole, arrays, killed_while_compiling, tmp_path
):
    folder = shutil.copytree(stopped, tmp_path / "run")
    before = content(folder)
    killed_while_compiling(SETTINGS, arrays, folder)
    assert content(folder) == before
    with pytest.raises(KeyboardInterrupt), pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            recorder.Recorder,
            "on_epoch_begin",
            lambda *epoch: (_ for _ in ()).throw(KeyboardInterrupt),
        )
        train(SETTINGS, arrays, folder)
    assert content(folder) == before
    history = train(SETTINGS, arrays, folder)
    assert without_times(history) == without_times(json.loads((whole / "history.json").read_text()))
    assert numbers(folder / "model.keras") == numbers(whole / "model.keras")
    assert files_of(folder) == files_of(
        whole
    )  # what was said of the model before it, does not hold


def test_a_history_that_a_power_cut_has_spoilt_is_in_the_checkpoint(
    stopped, whole, arrays, tmp_path
):
    folder = shutil.copytree(stopped, tmp_path / "run")
    (folder / "history.json").write_bytes(b"")
    assert_refused(
        call("evaluate", "-m", "run", "--results-dir", tmp_path),
        "history.json: not readable as JSON (",
    )
    assert (
        "To resume it: python train.py -m run --hidden 12"
        in call("evaluate", "-m", "run", "--results-dir", tmp_path).stderr
    )
    train(SETTINGS, arrays, folder)
    assert numbers(folder / "model.keras") == numbers(whole / "model.keras")


@pytest.mark.parametrize("settings", [SETTINGS, GAN], ids=["classifier", "gan"])
def test_an_older_run_stays_until_the_first_epoch_of_the_new_one_has_ended(
    settings, arrays, killed_while_compiling, tmp_path
):
    folder = tmp_path / "run"
    train(settings, arrays, folder)
    (folder / "samples").mkdir(exist_ok=True)
    mine = {
        "notes.txt",
        "model.svg",
        "weights.svg",
        "history.svg",
        ".config.2024-backup.json",
        ".history.1st.json",
    }
    mine |= {
        "samples/mine.txt",
        "samples/epoch_best.png",
        "samples/epoch_7.png",
        "samples/more/epoch_0001.png",
    }
    mine |= {"tensorboard/events.out.tfevents.mine", "tensorboard/other/events.out.tfevents.1.host"}
    for name in mine:
        (folder / name).parent.mkdir(exist_ok=True, parents=True)
        (folder / name).write_text("mine")
    before = content(folder)
    killed_while_compiling(settings.replace(seed=5), arrays, folder, overwrite=True)
    assert content(folder) == before
    train(settings.replace(seed=5, epochs=1), arrays, folder, overwrite=True)
    after = content(folder)
    assert (
        runs.load(folder).settings.seed == 5
        and mine <= set(after)
        and after["model.svg"] == b"mine"
    )
    assert all(
        after[name] != before[name]
        for name in ("model.keras", "history.json", "learning_curve.png")
    )
    assert [name for name in after if "epoch_0003" in name] == []  # of the older one


@pytest.mark.parametrize("file", ["config.json", "code.patch", "history.json"])
def test_a_disk_that_is_full_when_an_older_run_is_to_go(file, arrays, monkeypatch, tmp_path):
    monkeypatch.setattr(runs, "checkout", lambda: ("12ab-dirty", b"a change"))
    folder, write = tmp_path / "run", Path.write_bytes
    train(SETTINGS, arrays, folder)
    before = content(folder)

    def full(path, content):
        if Path(file).stem in path.name:
            raise OSError(28, "the disk is full")
        write(path, content)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="full") as raised:
        train(SETTINGS.replace(seed=5), arrays, folder, overwrite=True)
    assert content(folder) == before and raised.value.filename == str(folder / file)


@pytest.mark.parametrize(
    "odd",
    ["samples", "tensorboard", "tensorboard/train", "model.keras/", "samples/epoch_0001.png/"],
)
def test_what_would_be_in_the_way_of_a_run_is_found_before_it_is_trained(odd, stopped, tmp_path):
    """A file where it needs a folder, or the other way round."""
    folder = shutil.copytree(stopped, tmp_path / "run")
    (folder / odd).parent.mkdir(exist_ok=True)
    if odd.endswith("/"):
        (folder / odd).unlink(missing_ok=True)
        (folder / odd / "mine").mkdir(parents=True)
    else:
        (folder / odd).write_text("mine")
    before = content(folder)
    said = f"{folder / odd} is (no|a) folder.*: remove it, or choose another name"
    with pytest.raises(UserError, match=said), runs.writing(folder, overwrite=True):
        pass
    assert content(folder) == before


@pytest.mark.parametrize("picture", [b"no picture", b"", "pipe"])
def test_a_picture_that_is_none_does_not_keep_a_gan_from_its_end(picture, arrays, capsys, tmp_path):
    folder = tmp_path / "run"
    break_off(KeyboardInterrupt, 0, GAN, arrays, folder)
    path = folder / "samples" / "epoch_0001.png"
    path.unlink()
    os.mkfifo(path) if picture == "pipe" else path.write_bytes(picture)
    assert train(GAN, arrays, folder)["status"] == "complete" and (folder / "samples.gif").exists()
    assert f"{path} cannot be read, and is left out: " in capsys.readouterr().out


def test_a_history_that_a_power_cut_has_spoilt_before_the_first_checkpoint_is_as_none(
    stopped, whole, arrays, tmp_path
):
    folder = shutil.copytree(stopped, tmp_path / "run")
    for name in ("checkpoint.npz", "model.keras"):
        (folder / name).unlink()
    (folder / "history.json").write_bytes(b"")
    assert without_times(train(SETTINGS, arrays, folder)) == without_times(
        json.loads((whole / "history.json").read_text())
    )


def test_a_checkpoint_that_cannot_be_read_for_the_moment_is_not_set_aside(
    stopped, arrays, tmp_path
):
    folder = shutil.copytree(stopped, tmp_path / "run")
    before = content(folder)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(OSError, match="Input/output"):
        patch.setattr(
            "lab.data.readers.np.load", mock.Mock(side_effect=OSError(5, "Input/output error"))
        )
        train(SETTINGS, arrays, folder)
    assert content(folder) == before


def test_a_resumed_run_says_what_is_otherwise_than_before(
    stopped, arrays, monkeypatch, capsys, tmp_path
):
    folder = shutil.copytree(stopped, tmp_path / "run")
    monkeypatch.setattr(runs, "code_hash", lambda: "another")
    monkeypatch.setattr(runs, "versions", lambda: code.versions() | {"keras": "9.9.9"})
    break_off(KeyboardInterrupt, 2, SETTINGS, arrays, folder, quiet=False)
    keras = code.versions()["keras"]
    said = " ".join(capsys.readouterr().out.split())
    other = f"other code, keras 9.9.9 in place of {keras}"
    assert f"Note: resumed with {other}: the result may differ from that of a run that" in said
    monkeypatch.undo()
    config = folder / "config.json"
    config.write_text(
        config.read_text()
        .replace(", 2 threads", ", 1 thread", 1)
        .replace(', 1 thread"', ', 8 threads"', 1)
    )
    train(SETTINGS, arrays, folder, quiet=False)
    said = " ".join(capsys.readouterr().out.split())
    assert f"Note: resumed with other code, keras {keras} in place of 9.9.9: the result" in said
    record = runs.load(folder).record
    assert [part.after for part in record.parts] == [2, 3] and record.parts[0].code == "another"
    assert (record.code, record.versions["keras"]) == (runs.code_hash(), keras)  # of its beginning
    note = f"was resumed after epoch 2 with other code, keras 9.9.9 in place of {keras}"
    for flags in (["-m", "run"], ["-m", "*"], ["--diff", "run", "run"]):
        assert note in " ".join(call("evaluate", *flags, "--results-dir", tmp_path).stdout.split())
    assert call("evaluate", "--report", "--results-dir", tmp_path).returncode == 0
    assert note in (tmp_path / "report.html").read_text()


def test_a_command_to_paste_is_in_a_line_of_its_own(stopped, monkeypatch, tmp_path):
    """However narrow the terminal: over several lines it would be several commands."""
    folder = shutil.copytree(stopped, tmp_path / "two  spaces" / "run")
    monkeypatch.setenv("COLUMNS", "40")
    command = runs.load(folder).to_resume.partition("\n")[2]
    assert command.endswith(f" --results-dir '{tmp_path}/two  spaces'")
    for flags in (["-m", "run"], ["-m", "*"], ["--diff", "run", "run"]):
        done = call("evaluate", *flags, "--results-dir", folder.parent)
        assert command in done.stdout.splitlines(), done.stderr
    refused = call("train", "-m", "run", "--dataset", "mnist5k", "--results-dir", folder.parent)
    assert_refused(refused, f"To resume it: {command}")


def test_a_part_that_trained_nothing_that_was_kept_is_none(stopped, arrays, monkeypatch, tmp_path):
    """Of two that went on after the same epoch, the second has trained what follows."""
    folder = shutil.copytree(stopped, tmp_path / "run")
    monkeypatch.setattr(recorder, "INTERVAL", 1000)
    for name in ("first", "second"):
        monkeypatch.setattr(runs, "code_hash", lambda name=name: name)
        break_off(PowerCut, 2, SETTINGS, arrays, folder)
    assert [(part.after, part.code) for part in runs.load(folder).record.parts] == [(2, "second")]


def test_the_command_that_is_named_resumes_the_run_also_in_another_folder(
    stopped, arrays, tmp_path
):
    folder = shutil.copytree(stopped, tmp_path / "a" / "renamed")
    command = runs.load(folder).to_resume.removeprefix("To resume it:\n")
    assert command.startswith(
        "python train.py -m renamed --hidden 12 --batch-size 64 --epochs 4 --early-stopping 3 "
        "--dataset"
    )
    assert command.endswith(f" --results-dir {tmp_path / 'a'}")
    history = train(SETTINGS, arrays, folder)
    assert history["resumed"] == [2] and runs.load(folder).to_resume == ""
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"threads": 1}))  # which a sweep chose
    run = runs.load(folder)
    assert " --threads 1 " in run.command
    sha256 = data.fingerprint(arrays)
    found = runs.load_same(folder, run.settings.replace(threads=1), sha256)
    assert (found.record, found.state) == (run.record, "complete")
    with pytest.raises(UserError, match="other settings: threads 1, not none"):
        runs.load_same(folder, run.settings, sha256)


@pytest.mark.parametrize(
    ("settings", "path", "said"),
    [
        ({"net": "dense"}, "@/evil/flags.args", "--dataset=@/evil/flags.args"),
        ({"net": "dense"}, "-x.npz", "--dataset=-x.npz"),
        ({"net": "dense"}, "a b; rm -r /", "--dataset 'a b; rm -r /'"),
        (
            {"net": "@x.py:f", "source": "def f(): pass"},
            "own.npz",
            "--net FOLDER/@x.py:f --dataset own.npz",
        ),
    ],
)
def test_no_value_of_a_command_that_is_named_acts(settings, path, said, stopped, tmp_path):
    folder = shutil.copytree(stopped, tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    dataset = config["dataset"] | {
        "name": "own.npz",
        "path": path,
        "classes": ["a", "b"],
        "shape": [28, 28, 1],
    }
    (folder / "config.json").write_text(
        json.dumps(config | {"settings": settings | {"dataset": "own.npz"}, "dataset": dataset})
    )
    assert said in runs.load(folder).to_resume


@pytest.mark.parametrize(
    "told",
    ["python train.py -m a/b/c/d/e/f/g/h/i/j", "rm -r /", "python train.py -m x; rm -r /", None],
)
def test_a_command_that_is_named_holds_nothing_of_what_a_record_says(
    told, stopped, monkeypatch, tmp_path
):
    """Whoever pastes it would run it; and a run may have been moved to anywhere."""
    folder = shutil.copytree(stopped, tmp_path / "run")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"command": told}))
    monkeypatch.chdir(tmp_path)
    said = runs.load(Path("run")).to_resume
    assert said == (
        "To resume it:\npython train.py -m run --hidden 12 --batch-size 64 --epochs 4 "
        "--early-stopping 3 --dataset mnist5k --results-dir ."
    )


def test_a_run_that_is_interrupted_again_and_again_before_its_next_epoch_is_resumed_all_the_same(
    stopped, whole, arrays, tmp_path
):
    """As by SIGKILL, and then by Ctrl-C while it compiles."""
    folder = shutil.copytree(stopped, tmp_path / "run")
    history = json.loads((folder / "history.json").read_text())
    for status in ("training", "training"):
        (folder / "history.json").write_text(json.dumps(history | {"status": status}))
        with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(
                recorder.Recorder, "on_epoch_begin", mock.Mock(side_effect=KeyboardInterrupt)
            )
            train(SETTINGS, arrays, folder)
        assert runs.load(folder).history.resumed == [2]
    break_off(KeyboardInterrupt, 2, SETTINGS, arrays, folder)
    assert train(SETTINGS, arrays, folder)["resumed"] == [2, 3]
    assert numbers(folder / "model.keras") == numbers(whole / "model.keras")


def test_what_cannot_be_read_again_is_not_trained(arrays, tmp_path):
    path = f"/{'x' * 3000}/own.npz"
    own = arrays._replace(path=path)
    settings = SETTINGS.replace(dataset="own.npz")
    with pytest.raises(
        UserError, match=r'the run could not be read again: in its config.json, "dataset.path"'
    ):
        train_run(settings, own, Output(tmp_path / "run", "run"), quiet=True)
    assert not (tmp_path / "run").exists()
    long = SETTINGS.replace(hidden=(10**9,) * 100, early_stopping=None)
    record = json.loads((ROOT / "tests/earlier/dense/config.json").read_text())
    record |= {
        "settings": long.to_json(),
        "command": f"python train.py -m {'n' * 200}/{'m' * 4000} --hidden {'1,' * 500}1",
    }
    with runs.writing(tmp_path / "run", record=record):  # deep layers, in as deep a folder
        pass


def test_a_resumed_run_leaves_out_what_it_compiled_again(
    stopped, arrays, capsys, tmp_path, monkeypatch
):
    """The median of later epochs, as everywhere else."""
    folder = shutil.copytree(stopped, tmp_path / "run")
    history = {
        "status": "complete",
        "epoch_seconds": [9.0, 1.0, 7.0, 3.0],
        "resumed": [2],
        "device": "CPU",
        "total_seconds": 20.0,
    }
    history |= {name: [0.5] * 4 for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    monkeypatch.setattr("lab.training.run.train_run", lambda *run: history)
    monkeypatch.setattr("lab.training.run.for_run", lambda *run: (SETTINGS, arrays))
    from lab.training.run import train_here

    train_here(SETTINGS, Output(folder, "run"))
    assert "first epoch 9.00 s, median of the later ones 2.000 s." in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.parametrize("config", [None, '{"settings'])
def test_nobody_is_told_to_throw_a_checkpoint_away_whose_record_is_gone(config, stopped, tmp_path):
    folder = shutil.copytree(stopped, tmp_path / "run")
    (folder / "config.json").unlink()
    if config:
        (folder / "config.json").write_text(config)
    before = content(folder)
    flags = ["-m", "run", "--results-dir", tmp_path]
    said = [
        "put the config.json back that is not there, to resume it",
        "Put it back to resume the run from its checkpoint.npz",
    ]
    assert_refused(call("train", *flags), said[bool(config)])
    assert_refused(call("evaluate", *flags), said[1])
    assert content(folder) == before


def test_a_fault_is_no_longer_than_a_line(tmp_path):
    fault = runs.fault_of(ValueError("a network's own words\n" * 10_000), tmp_path)
    assert (
        fault.startswith("ValueError: a network's own words a network's")
        and len(fault) < 1_100
        and "\n" not in fault
    )
