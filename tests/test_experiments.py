"""Repeats and sweeps: what is planned, and what is on disk after everything that can go wrong."""

import contextlib
import itertools
import json
import os
import pickle
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from unittest import mock

import distributed
import pytest

import train
from lab import cli, data, runs
from lab.experiments import cluster, sweep, worker
from lab.experiments.grid import plan_runs
from lab.settings import Settings, UserError
from lab.training.run import train_run
from tests.conftest import ROOT, assert_refused, call, dask_parts, files_of, script
from tests.helpers import NUMBERS, complete, outcome, read, start, wait_for_runs

SMALL = ("--epochs", "2", "--batch-size", "64")
GRID = (
    "--sweep",
    "hidden",
    "8",
    "9,7",
    "--sweep",
    "regularizer-strength",
    "1e-3",
    "1e-2",
    "--repeats",
    "2",
    *SMALL,
)
EIGHT = {
    f"hidden={hidden}/regularizer-strength={strength}/seed={seed}"
    for hidden in ("8", "9,7")
    for strength in ("0.001", "0.01")
    for seed in (0, 1)
}


def places(data_dir, results_dir):
    return "--data-dir", str(data_dir), "--results-dir", str(results_dir)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, data_dir):
    """The results folder of a finished sweep of 8 runs, "grid", and what it printed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    done = script("train", "-m", "grid", *GRID, *places(data_dir, folder))
    assert done.returncode == 0 and done.stderr == "", done.stderr
    (folder / "printed.txt").write_text(done.stdout)
    return folder


def on_terminal(*flags):
    """What `script` gives of train.py on a terminal, and each piece that it showed there."""
    mine, terminal = pty.openpty()
    options = {
        "env": os.environ | {"COLUMNS": "100", "LINES": "30", "TERM": "xterm"},
        "stderr": subprocess.PIPE,
        "text": True,
    }
    shown = []
    with subprocess.Popen(
        [sys.executable, ROOT / "train.py", *map(str, flags)], stdout=terminal, **options
    ) as process:
        os.close(terminal)
        with contextlib.suppress(OSError):  # so Linux says that it has been closed
            while piece := os.read(mine, 100_000):
                shown.append(piece.decode(errors="replace"))
        errors = process.stderr.read()
    os.close(mine)
    return subprocess.CompletedProcess(flags, process.returncode, "".join(shown), errors), shown


def test_the_grid_is_every_combination_times_the_seeds():
    planned = plan_runs(
        Settings(seed=5), [["hidden", "8", "9,7"], ["regularizer-strength", "0", "1e-4"]], 2
    )
    assert list(planned)[:3] == [
        "hidden=8/regularizer-strength=0/seed=5",
        "hidden=8/regularizer-strength=0/seed=6",
        "hidden=8/regularizer-strength=0.0001/seed=5",
    ]
    assert len(planned) == 8
    assert planned["hidden=9,7/regularizer-strength=0.0001/seed=6"] == Settings(
        hidden=(9, 7), regularizer_strength=1e-4, seed=6
    )
    assert list(plan_runs(Settings(), [], 2)) == ["seed=0", "seed=1"]
    nets = plan_runs(Settings(hidden=(5,)), [["net", "dense", "conv"]], 1)
    assert [settings.hidden for settings in nets.values()] == [(5,), None]
    gans = plan_runs(
        Settings(net="gan-dense", hidden=(32, 16)), [["net", "gan-conv", "gan-dense"]], 1
    )
    assert [settings.hidden for settings in gans.values()] == [None, (32, 16)]
    assert (
        plan_runs(Settings(), [["batch-norm", "false", "true"]], 1)[
            "batch-norm=true/seed=0"
        ].batch_norm
        is True
    )
    rates = plan_runs(Settings(), [["optimizer", "adam", "sgd"]], 1)
    assert [settings.learning_rate for settings in rates.values()] == [1e-3, 1e-2]  # each its own


@pytest.mark.parametrize(
    ("axes", "repeats", "said"),
    [
        ([["colour", "1"]], 1, "no such setting"),
        ([["results-dir", "a"]], 1, "no such setting"),
        ([["seed", "1", "2"]], 1, "--repeats"),
        ([["hidden"]], 1, "got none"),
        ([["hidden", "8", ""]], 1, "empty"),
        ([["learning-rate", "1e-3", "0.001"]], 1, "given twice"),
        ([["hidden", "8"], ["hidden", "9"]], 1, "given twice"),
        ([["hidden", "many"]], 1, "whole numbers"),
        ([["batch-norm", "perhaps"]], 1, "true or false"),
        ([["epochs", "1.5"]], 1, "whole number"),
        ([["activation", "relu", "cosine"]], 1, "choose from relu"),
        ([["net", "dense", "conv"], ["hidden", "8"]], 1, "--hidden is for dense"),
        ([["net", "dense", "gan-dense"]], 1, "one kind"),
        ([], 0, "repeats"),
        ([], 10**9, "more than the 10000"),
    ],
)
def test_sweeps_that_cannot_be(axes, repeats, said):
    with pytest.raises(UserError, match=said):
        plan_runs(Settings(), axes, repeats)


@pytest.mark.cluster
def test_a_sweep_writes_each_run_a_figure_of_each_setting_and_a_table(undisturbed):
    folder = undisturbed / "grid"
    assert set(complete(folder)) == EIGHT
    for name in EIGHT:
        assert files_of(folder / name) == [
            "config.json",
            "history.json",
            "learning_curve.png",
            "model.keras",
        ]
    assert (
        len({str(outcome(folder / name)[0]) for name in EIGHT}) == 8
    )  # another seed, another network
    assert len(list(folder.glob("hidden=*/regularizer-strength=*/learning_curve.png"))) == 4
    assert not list(folder.rglob(".*")) and not list(folder.rglob("*.svg"))
    printed = (undisturbed / "printed.txt").read_text()
    assert (
        len(
            re.findall(r"^\[\d/8\] hidden=.*seed=\d  val_accuracy .* val_loss .* s$", printed, re.M)
        )
        == 8
    )
    assert re.search(
        r"hidden=8, regularizer-strength=0.01 .* 6,370 .* \d\.\d{4} ± \d\.\d{4} ", printed
    )
    assert "2 runs each" in printed and "evaluate.py -m grid" in printed


@pytest.mark.cluster
def test_a_run_of_a_sweep_is_the_run_that_a_command_of_its_own_gives(
    undisturbed, data_dir, tmp_path, monkeypatch
):
    name = "grid/hidden=9,7/regularizer-strength=0.001/seed=1"
    shutil.copytree(undisturbed / name, tmp_path / name)
    done = script("train", "-m", "one", "--like", name, *places(data_dir, tmp_path))
    assert done.returncode == 0, done.stderr
    mine, alone = outcome(undisturbed / name), outcome(tmp_path / "one")
    assert mine[0] == alone[0] and mine[2:] == alone[2:]
    flags = (
        "--hidden 9,7 --regularizer-strength 0.001 --batch-size 64 --epochs 2 --seed 1 "
        "--dataset mnist --threads 1"
    )
    commands = [config.pop("command") for config in (mine[1], alone[1])]
    assert commands == [f"python train.py -m {one} {flags}" for one in (name, "one")]
    assert mine[1] == alone[1] | {
        "settings": alone[1]["settings"] | {"threads": None}
    }  # the sweep chose their number
    monkeypatch.setattr(sys, "argv", shlex.split(commands[0])[1:])
    assert cli.settings_of(train.parse_args()).to_json() == alone[1]["settings"]


@pytest.mark.cluster
def test_the_same_command_again_does_only_what_is_missing(undisturbed, data_dir, tmp_path):
    """Here by a client that was killed, with SIGKILL, in the middle."""
    process = start("-m", "grid", *GRID, *places(data_dir, tmp_path))
    wait_for_runs(process, 3)
    process.kill()
    process.communicate()
    before = complete(tmp_path / "grid")
    assert 3 <= len(before) < 8
    done = call("train", "-m", "grid", *GRID, *places(data_dir, tmp_path))
    assert done.returncode == 0, done.stderr
    assert f"{len(before)} of 8 runs are done already" in done.stdout
    after = complete(tmp_path / "grid")
    assert set(after) == EIGHT and all(after[name] == files for name, files in before.items())
    assert outcome(tmp_path / "grid" / max(EIGHT)) == outcome(undisturbed / "grid" / max(EIGHT))
    assert not list(tmp_path.rglob(".lock"))
    # Nothing is missing now: no worker is started, no file touched.
    done = call(
        "train",
        "-m",
        "grid",
        *GRID,
        "--optimizer",
        "adam",
        "--learning-rate",
        "1e-3",
        *places(data_dir, tmp_path),
    )
    assert (
        done.returncode == 0 and "8 of 8 runs are done already" in done.stdout
    )  # they are the same, named or not
    assert complete(tmp_path / "grid") == after


@pytest.fixture
def by_hand(tmp_path):
    """A scheduler, started in another folder: its address, and a function that starts a worker
    with a PYTHONPATH.
    """
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    environment = {"KERAS_HOME": str(elsewhere), "LAB_DATA_DIR": "", "PYTHONPATH": ""}
    with dask_parts(elsewhere, **environment) as (address, start_part, scheduler):
        yield address, lambda path: start_part("worker", "--nthreads", "1", PYTHONPATH=str(path))
        os.killpg(scheduler.pid, signal.SIGSTOP)  # one that takes connections and says nothing
        with (
            mock.patch.object(cluster, "ANSWER_WITHIN", 0.5),
            cluster.machines(address) as machines,
            pytest.raises(UserError, match="no Dask scheduler answers"),
        ):
            machines.client_for(1)
    assert sorted(path.name for path in elsewhere.iterdir() if path.suffix != ".json") == ["log"]


@pytest.mark.cluster
def test_a_cluster_by_hand_loses_a_worker_and_a_client_but_no_run(
    undisturbed, by_hand, data_dir, tmp_path
):
    """One worker and its guardian are killed during the sweep, then the client; two workers are
    not fit for it.
    """
    address, start_worker = by_hand
    shutil.copytree(ROOT / "lab", tmp_path / "other" / "lab")
    shutil.copytree(ROOT / "models", tmp_path / "other" / "models")
    (tmp_path / "other" / "lab" / "new.py").touch()
    lost, *_ = [start_worker(path) for path in (ROOT, ROOT, tmp_path / "other", tmp_path)]
    flags = ("-m", "grid", *GRID, "--scheduler", address, *places(data_dir, tmp_path))
    process = start(*flags)
    wait_for_runs(process, 2)
    os.killpg(lost.pid, signal.SIGKILL)
    wait_for_runs(process, 1)
    process.kill()
    process.communicate()
    with distributed.Client(address) as client:
        while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
            time.sleep(0.05)  # what a client has brought goes with it
    done = call("train", *flags)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert len(re.findall(r"^The worker tcp://.* is left out: ", done.stdout, re.M)) == 2, (
        done.stdout
    )
    assert (
        "it has another version of this code." in done.stdout
        and "No module named 'lab'" in done.stdout
    )
    assert set(complete(tmp_path / "grid")) == EIGHT
    for name in EIGHT:
        assert outcome(tmp_path / "grid" / name) == outcome(undisturbed / "grid" / name)
    assert not list((tmp_path / "grid").rglob(".*"))


@pytest.mark.cluster
def test_ctrl_c_keeps_the_finished_runs_and_says_so(data_dir, tmp_path):
    process = start(
        "-m", "grid", *GRID, "--workers", "1", *places(data_dir, tmp_path), start_new_session=True
    )
    wait_for_runs(process, 1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal sends it: to the workers too
    output, errors = process.communicate(timeout=300)
    assert process.returncode == 130 and errors.strip() == "train.py: interrupted"
    assert "stopping; the finished runs are saved" in output
    assert complete(tmp_path / "grid") and not list(tmp_path.rglob(".lock"))


@pytest.mark.cluster
def test_runs_that_fail_keep_the_others_going(data_dir, tmp_path):
    """One diverges, one cannot be written since another process holds its folder."""
    flags = ("--optimizer", "sgd", "--hidden", "8", "--batch-size", "64", "--epochs", "200")
    rates = ("--sweep", "learning-rate", "1e30", "0.1", "0.2", "0.3", "--workers", "1")
    with runs.locked(tmp_path / "rates/learning-rate=0.2/seed=0"):
        done, shown = on_terminal("-m", "rates", *flags, *rates, *places(data_dir, tmp_path))
    assert done.returncode == 1
    assert set(complete(tmp_path / "rates")) == {
        "learning-rate=0.1/seed=0",
        "learning-rate=0.3/seed=0",
    }
    assert read(tmp_path / "rates/learning-rate=1e30/seed=0")["status"] == "diverged"
    assert (
        "2 of 4 runs failed" in done.stderr
        and "learning-rate=1e30/seed=0: the loss is not a finite" in done.stderr
    )
    assert "learning-rate=0.2/seed=0: another process is writing" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    # What is seen meanwhile: that TensorFlow starts, each run's epoch and what the last one gave,
    # the time left; all along.
    assert re.search(r"0:00:0\d  1e30, seed=0  starting TensorFlow", done.stdout)
    assert re.search(r"0\.[13], seed=0  epoch \d+/200  val_accuracy 0\.\d{4}", done.stdout)
    assert re.search(
        r" [5-9]\d% 0:\d\d:\d\d, 0:00:\d\d left", re.sub(r"\x1b\[[\d;]*m", "", done.stdout)
    )
    assert sum(text != before for before, text in itertools.pairwise(shown)) > 20


def test_a_fault_that_several_runs_share_is_told_once(capsys):
    failed = {f"device=gpu/seed={seed}": "no GPU" for seed in range(3)} | {
        "rate=9/seed=0": "diverged"
    }
    with sweep.Display(dict.fromkeys(failed, 1)) as display:
        for name, fault in failed.items():
            display.finished(name, None, fault)
    sweep.report_failed(failed, "9 runs", "; the same command tries them again")
    told = capsys.readouterr()
    assert [line.partition("FAILED: ")[2] for line in told.out.splitlines()] == [
        "no GPU",
        "as before",
        "as before",
        "diverged",
    ]
    lines = ["  device=gpu/seed=0 and 2 more: no GPU", "  rate=9/seed=0: diverged"]
    assert told.err.splitlines() == [
        "train.py: error: 4 of 9 runs failed; the same command tries them again:",
        *lines,
    ]


@pytest.mark.cluster
def test_a_run_that_ends_its_process_again_and_again_has_failed(data_dir, tmp_path):
    """As one does that takes more memory than there is; the others are trained."""
    (tmp_path / "own.py").write_text(
        "import os\nfrom keras import Sequential, layers\n\n"
        "def net(input_shape, classes, hidden=(4,)):\n"
        "    if hidden == (9,):\n"
        "        os._exit(0)\n"
        "    return Sequential([layers.Input(input_shape), layers.Flatten(),"
        " layers.Dense(classes, 'softmax')])\n"
    )
    flags = ("-m", "own", "--net", f"{tmp_path}/own.py:net", *SMALL)
    grid = ("--sweep", "hidden", "9", "8", "7", "--workers", "1")
    done = call("train", *flags, *grid, *places(data_dir, tmp_path))
    assert done.returncode == 1
    assert set(complete(tmp_path / "own")) == {"hidden=8/seed=0", "hidden=7/seed=0"}
    assert "hidden=9/seed=0: its worker's process died 4 times" in done.stderr
    assert "1 of 3 runs failed" in done.stderr and "Traceback" not in done.stderr + done.stdout


@pytest.mark.cluster
def test_a_run_whose_client_was_killed_is_checkpointed_and_its_folder_free(
    by_hand, data_dir, tmp_path
):
    address, start_worker = by_hand
    start_worker(ROOT)
    flags = ("-m", "s", "--hidden", "4", "--epochs", "100000", "--repeats", "1")
    process = start(*flags, "--scheduler", address, *places(data_dir, tmp_path))
    folder = tmp_path / "s" / "seed=0"
    while not (folder / "history.json").exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    process.kill()
    process.communicate()
    with runs.locked(folder, 60):
        assert runs.load(folder).history.status == "interrupted"
        assert (folder / "checkpoint.npz").exists()


def test_a_worker_that_cannot_see_the_folder_of_the_runs_says_so(tmp_path):
    output = runs.Output(tmp_path / "s" / "seed=0", "s/seed=0")
    mark = tmp_path / "s" / ".Client-elsewhere"
    task = worker.Task("seed=0", Settings(dataset="mnist"), 1, output, mark=mark)
    outcome = worker.train(runs.code_hash(), pickle.dumps(task), ())
    assert outcome == {"unfit": f"it cannot write to the folder {tmp_path / 's'}"}
    assert "version" in worker.train("another", b"", ())["unfit"]


@pytest.mark.cluster
def test_what_another_hand_has_completed_meanwhile_is_not_replaced(mnist5k, tmp_path):
    """A run that was missing when the sweep began, and is there when its turn comes; and one that
    is to be replaced.
    """
    arrays = data.Arrays(*(array[:100] for array in mnist5k.arrays))
    settings, folder = Settings(hidden=(4,), epochs=1, dataset="mnist5k"), tmp_path / "seed=0"
    output = runs.Output(folder, "s/seed=0")
    train_run(settings, arrays, output, quiet=True)
    older, before = runs.stamp(folder), complete(tmp_path)
    threads = runs.load(folder).record.threads
    with cluster.machines(workers=1) as machines:
        client = machines.client_for(1)

        def again(older):
            tasks = [worker.Task("seed=0", settings, threads, output, older)]
            ((_, fault),) = cluster.train_on_workers(
                client, tmp_path, tasks, {"mnist5k": arrays}, lambda *state: None
            )
            return fault

        assert again(None) is None and complete(tmp_path) == before
        assert again(older) is None and runs.stamp(folder) != older
        after = complete(tmp_path)
        assert again(older) is None and complete(tmp_path) == after  # a retry of what was done
        failing = "def net(input_shape, classes):\n    raise ValueError('no')"
        settings = Settings(net="own.py:net", source=failing, epochs=1, dataset="mnist5k")
        assert "holds a run with" in again(None) and complete(tmp_path) == after
        assert (
            "ValueError: no" in again(runs.stamp(folder)) and complete(tmp_path) == after
        )  # to be replaced, and not yet
    assert not list(tmp_path.glob(".*"))


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch, capfd):
    monkeypatch.setattr(cluster, "ANSWER_WITHIN", 1)
    with (
        cluster.machines("tcp://127.0.0.1:9") as machines,
        pytest.raises(UserError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"),
    ):
        machines.client_for(1)
    assert not capfd.readouterr().err  # nothing of Dask's own


@pytest.mark.parametrize("status", ["interrupted", "training", "complete"])
def test_a_sweep_does_not_overwrite_a_run_of_another_hand(status, mnist5k, tmp_path):
    """One that did not finish, or whose settings are others."""
    settings = Settings(epochs=3 if status == "complete" else 2, dataset="mnist")
    (tmp_path / "s" / "seed=0").mkdir(parents=True)
    dataset = {
        "name": "mnist",
        "sha256": data.fingerprint(mnist5k),
        "train": 4000,
        "validation": 1000,
    }
    record = {"settings": settings.to_json(), "parameters": 1, "dataset": dataset}
    history = {"status": status, **{name: [1.0] for name in (*NUMBERS, "epoch_seconds")}}
    (tmp_path / "s" / "seed=0" / "config.json").write_text(json.dumps(record))
    (tmp_path / "s" / "seed=0" / "history.json").write_text(json.dumps(history))
    planned = plan_runs(Settings(epochs=2, dataset="mnist"), [], 2)
    with pytest.raises(UserError, match="add --overwrite"):
        sweep.missing(tmp_path / "s", planned, {"mnist": mnist5k})
    assert sweep.missing(tmp_path / "s", planned, {"mnist": mnist5k}, overwrite=True) == planned


def test_a_linked_folder_is_not_followed_out_of_the_sweep(mnist5k, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "seed=0").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UserError, match="link"):
        sweep.missing(
            tmp_path / "s", plan_runs(Settings(dataset="mnist"), [], 1), {"mnist": mnist5k}
        )


@pytest.mark.cluster
def test_workers_of_this_machine_all_have_the_data_before_the_first_run(mnist5k):
    """Dask gives a run to a worker that has its data, if it has to wait there or not."""
    with cluster.machines(workers=2) as machines:
        client = machines.client_for(2)
        (sent,) = cluster._Submitted(client, {"mnist5k": mnist5k}, None).data.values()
        assert len(client.who_has([sent])[sent.key]) == 2


@pytest.mark.cluster
def test_threads_can_be_swept_on_one_worker(data_dir, tmp_path):
    flags = (
        "--hidden",
        "8",
        *SMALL,
        "--sweep",
        "threads",
        "1",
        "2",
        "--repeats",
        "2",
        "--workers",
        "1",
    )
    done = call("train", "-m", "threads", *flags, *places(data_dir, tmp_path))
    assert done.returncode == 0, done.stderr
    devices = [read(tmp_path / f"threads/threads={count}/seed=0")["device"] for count in (1, 2)]
    assert devices[0].endswith("1 thread") and devices[1].endswith("2 threads")
    compiled = [
        read(path.parent)["compiled"] for path in (tmp_path / "threads").rglob("history.json")
    ]
    assert sorted(compiled) == [
        False,
        False,
        True,
        True,
    ]  # the second seed of each used what the first had compiled


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ("-m", "grid", "--repeats", "2"),
            "holds other runs, of hidden, regularizer-strength, seed",
        ),
        (("-m", "grid", *GRID, "--epochs", "3"), "epochs 2, not 3"),
        (
            ("-m", "grid", *GRID, "--epochs", "3", "--repeats", "1", "--overwrite"),
            "would count as a repeat",
        ),
        (("-m", "grid"), "holds other runs"),
        (("-m", "grid/hidden=8/regularizer-strength=0.01/seed=0/x"), "lies within the run"),
        (("-m", "grid/hidden=8/regularizer-strength=0.01/seed=0", "--repeats", "2"), "single run"),
        (("-m", "x", "--sweep", "colour", "1"), "no such setting"),
        (("-m", "x", "--repeats", "2", "--workers", "0"), "workers"),
        (("-m", "x", "--repeats", "2", "--workers", "10000"), "at most"),
        (("-m", "x", "--workers", "2"), "--sweep or --search"),
        (
            ("-m", "x", "--repeats", "2", "--workers", "2", "--scheduler", "tcp://127.0.0.1:9"),
            "use one of them",
        ),
        (("-m", "x", "--repeats", "2", "--scheduler", "nonsense"), "no Dask scheduler answers"),
    ],
)
@pytest.mark.cluster
def test_bad_flags_of_a_sweep(flags, said, undisturbed, data_dir):
    before = complete(undisturbed)
    assert_refused(call("train", *places(data_dir, undisturbed), *flags), said)
    assert complete(undisturbed) == before and not (undisturbed / "x").exists()
