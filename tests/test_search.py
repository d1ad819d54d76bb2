"""A search: what it tries, what is on disk when it was killed and went on, and that the test
images wait until the end.
"""

import json
import re
import shlex
import shutil
from unittest import mock

import numpy as np
import optuna
import pytest

import train as train_script
from lab import cli, data, runs
from lab.experiments import search, study
from lab.experiments.space import FIRST, suggest
from lab.runs import write_json
from lab.settings import Settings
from tests.conftest import ROOT, assert_refused, call, write_npz
from tests.helpers import NUMBERS

BUDGET, TARGET = study.Goal(unit_budget=12), study.Goal(target_accuracy=0.5)
FLAGS = (
    "-m",
    "s",
    "--unit-budget",
    "12",
    "--epochs",
    "4",
    "--batch-size",
    "64",
    "--repeats",
    "2",
    "--shift",
    "0",
)
FLAGS += ("--workers", "1")  # each takes seconds to start


def train(data_dir, results_dir, *flags):
    with mock.patch.multiple(
        study, FINALISTS=2, TESTED=1
    ):  # each is compiled anew, which takes seconds
        return call("train", "--data-dir", data_dir, "--results-dir", results_dir, *FLAGS, *flags)


def journal(path):
    return optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))


def study_of(folder):
    return optuna.load_study(study_name="search", storage=journal(folder / "s" / "search.journal"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory, data_dir):
    """The results folder of a search of 4 trials, and what it printed."""
    folder = tmp_path_factory.mktemp("search")
    done = train(data_dir, folder, "--search", "4")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return folder, done.stdout


@pytest.mark.parametrize(("goal", "net"), [(BUDGET, "dense"), (TARGET, "dense"), (TARGET, "conv")])
def test_what_is_tried(goal, net):
    trials = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    given = Settings(net=net, epochs=3, activation="sigmoid", dataset="mnist")
    tried = [suggest(trials.ask(), given, goal) for _ in range(40)]
    assert {(one.epochs, one.activation, one.dataset) for one in tried} == {(3, "sigmoid", "mnist")}
    assert {one.schedule for one in tried} == {"constant", "cosine"} and len(
        {one.optimizer for one in tried}
    ) == 4
    assert len({frozenset(trial.params) for trial in trials.trials}) == 1
    assert {one.head for one in tried} == ({"flatten", "average"} if net == "conv" else {None})
    layers = [one.hidden or one.filters for one in tried]
    if goal.unit_budget:
        assert {sum(units) for units in layers} == {12} and {len(units) for units in layers} == {
            1,
            2,
            3,
            4,
        }
    else:
        assert {len(units) for units in layers} == ({1, 2, 3} if net == "dense" else {2, 3, 4})
    assert {suggest(trials.ask(), given.replace(epochs=1), goal).warmup for _ in range(9)} == {0}
    trials.enqueue_trial(FIRST[net][-1])
    assert suggest(trials.ask(), given, goal).learning_rate == 0.01


def test_a_budget_of_four_units_and_unequal_shares():
    for shares in ((0.9, 0.9, 0.9), (0.2, 0.2, 0.2)):
        params = dict(zip(("share 1", "share 2", "share 3"), shares)) | {"layers": 4}
        one = suggest(
            optuna.trial.FixedTrial(FIRST["dense"][0] | params | {"regularizer": "l2"}),
            Settings(),
            study.Goal(4),
        )
        assert one.hidden == (1, 1, 1, 1)


@pytest.mark.cluster
def test_trials_are_runs_that_never_saw_the_test_images(finished, data_dir):
    folder, printed = finished
    trials = sorted(path.name for path in (folder / "s").glob("trial=*"))
    assert trials == ["trial=0", "trial=1", "trial=2", "trial=3"]
    settings = [runs.load(folder / "s" / name).settings for name in trials]
    assert {
        (sum(one.hidden), one.holdout, one.shift, one.batch_size, one.epochs) for one in settings
    } == {(12, 160, 0, 64, 4)}
    assert re.search(
        r"^\[4/4\] trial=\d  val_accuracy .* stopped early, best 0\.\d{4}$", printed, re.M
    )
    assert {path.name for path in (folder / "s").glob("*.*")} >= {
        "search.journal",
        "search.png",
        "importances.png",
    }
    # What a reader without Optuna is told.
    told, trained = (
        runs.load_search(folder / "s"),
        [runs.load(folder / "s" / name) for name in trials],
    )
    assert (
        told.unit_budget,
        told.target_accuracy,
        set(told.importances) >= {"dropout", "layers"},
    ) == (12, None, True)
    assert [one.accuracy for one in told.trials] == [
        run.history.final["val_accuracy"] for run in trained
    ]
    assert [one.parameters for one in told.trials] == [run.record.parameters for run in trained]
    assert [one.whole for one in told.trials] == [
        run.history.status == "complete" for run in trained
    ]
    # What was tested: all training images, validated on the test images; and what the sentences
    # say of it.
    tested = [runs.load(path) for path in sorted((folder / "s" / "test").glob("*/seed=*"))]
    assert {
        (run.settings.holdout, run.record.dataset.train, run.record.dataset.validation)
        for run in tested
    } == {(0, 640, 200)}
    winner = int(re.search(r"Trial (\d) wins", printed)[1])
    again = [runs.load(path) for path in (folder / "s" / "held-out").glob("*/seed=*")]
    assert {run.settings.seed for run in again} == {1, 2} and {
        run.settings.holdout for run in again
    } == {160}
    means = {}
    assert (len(again), len(tested)) == (2 * min(2, sum(one.whole for one in told.trials)), 2)
    for run in again:
        means.setdefault(run.folder.parent.name, []).append(run.history.final["val_accuracy"])
    assert np.mean(means[f"trial={winner}"]) == max(map(np.mean, means.values()))
    mean = np.mean(
        [
            run.history.final["val_accuracy"]
            for run in tested
            if run.folder.parent.name == f"trial={winner}"
        ]
    )
    assert f"test accuracy {mean:.4f}" in " ".join(printed.split())
    assert "held-out training images" in printed and "published solution" in printed


@pytest.mark.cluster
def test_how_much_it_will_train_is_said_before_and_how_to_go_on_after(
    finished, data_dir, monkeypatch
):
    folder, printed = finished
    lines, words = printed.splitlines(), " ".join(printed.split())
    much = (
        "up to 10 trainings (4 trials; the best 2 again, and 1 of these on all images, 2 seeds "
        "each), 1 at a time"
    )
    assert (
        lines[0]
        == f"{folder / 's'}: {much}: an estimate of the time follows after the first trial."
    )
    assert re.search(r"About 0:\d\d:\d\d to the end of the search, by its first trial\.", words)
    assert f"{folder / 's'}: search.png, importances.png, search.json, held-out/, test/" in words
    (command,) = (
        line.removeprefix("To train it: ") for line in lines if line.startswith("To train it: ")
    )
    evaluating = "For tables and figures of the best: python evaluate.py -m s/test"
    assert any(line.startswith(evaluating) for line in lines)
    monkeypatch.setattr("sys.argv", shlex.split(command)[1:])
    args = train_script.parse_args()
    winner = int(re.search(r"Trial (\d) wins", printed)[1])
    tested = runs.load(folder / "s" / "test" / f"trial={winner}" / "seed=0").settings
    assert cli.settings_of(args) == tested and (args.model_name, args.data_dir) == (
        "s-winner",
        str(data_dir),
    )


@pytest.mark.cluster
def test_importances_that_cannot_be_computed_end_no_search(
    finished, data_dir, tmp_path, monkeypatch
):
    """As of trials that are all equally accurate."""
    shutil.copytree(finished[0] / "s", tmp_path / "s")
    for outcome in (
        mock.Mock(side_effect=RuntimeError("no variance\nat all")),
        mock.Mock(return_value={"dropout": np.nan}),
    ):
        monkeypatch.setattr(optuna.importance, "get_param_importances", outcome)
        done = train(data_dir, tmp_path, "--search", "4")
        assert (done.returncode, done.stderr) == (0, "") and "wins: " in done.stdout
        assert ("cannot be computed from these trials: no variance\n" in done.stdout) == (
            outcome.side_effect is not None
        )
        assert runs.load_search(tmp_path / "s").importances == {}


@pytest.mark.cluster
def test_what_lies_in_the_folders_of_trials_that_ended_decides_nothing(
    finished, data_dir, tmp_path
):
    """Their settings are those that Optuna knows; what anybody may have written is not what is
    trained.
    """
    shutil.copytree(finished[0] / "s", tmp_path / "s")
    places = [tmp_path / "s" / f"trial={number}" for number in range(4)]
    record = json.loads((places[0] / "config.json").read_text())
    record["settings"] |= {"net": "own.py:net", "holdout": 10**6}
    (places[0] / "config.json").write_text(json.dumps(record))
    (places[1] / "config.json").write_text("{")
    shutil.rmtree(places[2])
    shutil.move(places[3], tmp_path / "elsewhere")
    places[3].symlink_to(tmp_path / "elsewhere")
    done = train(data_dir, tmp_path, "--search", "4")
    assert (done.returncode, done.stderr) == (0, "")
    winning = [
        re.search(r"Trial \d wins[^.]*\.\d+[^.]*\.", text)[0] for text in (done.stdout, finished[1])
    ]
    assert winning[0] == winning[1] and "seed=" not in done.stdout
    fewer = train(data_dir, tmp_path, "--search", "3")
    assert (fewer.returncode, fewer.stderr) == (
        0,
        "",
    ) and "4 of 4 trials are done already" in fewer.stdout


@pytest.mark.cluster
@pytest.mark.slow
def test_an_own_network_that_ends_its_process_has_failed(data_dir, tmp_path):
    (tmp_path / "own.py").write_text(
        "import os\n\ndef net(input_shape, classes):\n    os._exit(0)\n"
    )
    flags = [
        "-m",
        "o",
        "--net",
        f"{tmp_path}/own.py:net",
        "--search",
        "1",
        "--workers",
        "1",
        "--epochs",
        "1",
    ]
    done = call("train", *flags, "--data-dir", data_dir, "--results-dir", tmp_path)
    assert done.returncode == 1 and "trial=0: its worker's process died 4 times: " in done.stderr


@pytest.mark.cluster
def test_a_trial_that_fails_has_ended(data_dir, tmp_path):
    """As one does whose network cannot be built; the same command does not try it for ever."""
    (tmp_path / "own.py").write_text("def net(input_shape, classes):\n    raise ValueError('no')\n")
    flags = [
        "-m",
        "o",
        "--net",
        f"{tmp_path}/own.py:net",
        "--search",
        "2",
        "--workers",
        "1",
        "--epochs",
        "1",
    ]
    places = ["--data-dir", data_dir, "--results-dir", tmp_path]
    done = call("train", *flags, *places)
    assert (
        done.returncode == 1
        and "2 of 2 trials failed:\n  trial=0 and 1 more: own.py:net fails: ValueError: no"
        in done.stderr
    )
    assert "the same command" not in done.stderr and runs.load_search(tmp_path / "o").failed == 2
    done = call("train", *flags, *places)
    assert (done.returncode, done.stderr) == (0, "") and "trial=" not in done.stdout
    assert (
        "2 of 2 trials are done already, 2 of them failed." in done.stdout
        and "No trial was finished" in done.stdout
    )
    (tmp_path / "own.py").write_text(
        "def net(input_shape, classes):\n    raise ValueError('another')\n" + "# more\n" * 999
    )
    done = call("train", *flags, *places)
    assert_refused(
        done,
        "is of another search: the source of its network own.py:net was another; choose "
        "another name",
    )
    assert len(done.stderr) < 400


@pytest.mark.cluster
def test_a_search_that_was_killed_goes_on_and_is_extended(finished, data_dir, tmp_path):
    shutil.copytree(finished[0] / "s", tmp_path / "s")
    before = {trial.number: trial.params for trial in study_of(tmp_path).trials}
    left = study_of(tmp_path).ask()  # by a client that was killed before the worker had ended
    params = suggest(left, Settings(), BUDGET) and left.params
    (tmp_path / "s" / "trial=4").mkdir()
    (tmp_path / "s" / "trial=4" / "config.json").write_text(
        '{"settings'
    )  # which a power cut has cut off
    done = train(data_dir, tmp_path, "--search", "6", "--workers", "2")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    trials = study_of(tmp_path).trials
    assert [trial.number for trial in trials] == [*range(6)] and all(
        trial.state.is_finished() for trial in trials
    )
    assert {
        number: trials[number].params for number in before
    } == before and params.items() >= trials[4].params.items()
    assert len({json.dumps(trial.params, sort_keys=True) for trial in trials}) == 6
    for trial in trials:
        assert (
            runs.load(tmp_path / "s" / f"trial={trial.number}").record.parameters
            == trial.user_attrs["parameters"]
        )
    assert "4 of 6 trials are done already" in done.stdout and done.stdout.count("trial=") == 2
    again = train(data_dir, tmp_path, "--search", "6")
    assert (
        again.returncode == 0 and "6 of 6 trials" in again.stdout and "trial=" not in again.stdout
    )


def end(asked, accuracy, parameters, state=optuna.trial.TrialState.COMPLETE):
    """End a trial as a run of this accuracy and of so many parameters does."""
    asked.folder.mkdir()
    write_json(
        asked.folder / "config.json",
        {
            "settings": asked.settings.to_json(),
            "parameters": parameters,
            "dataset": {"name": "mnist5k", "sha256": "a", "train": 4000, "validation": 1000},
        },
    )
    whole = state == optuna.trial.TrialState.COMPLETE
    history = {name: [accuracy] for name in NUMBERS} | {"epoch_seconds": [1.0]}
    write_json(
        asked.folder / "history.json",
        history | {"status": "complete" if whole else "interrupted"},
    )
    asked.tell()


def opened(tmp_path, plan, mnist5k):
    """A study in a folder, and a function that asks for the next trial as a worker does."""
    trials = study.open_study(tmp_path, plan, {"mnist5k": mnist5k})

    def ask(number=None):
        number = trials.ask().number if number is None else number
        return study.Asked(tmp_path, plan, number, f"client of {tmp_path}")

    return trials, ask


def test_a_trial_that_falls_behind_is_stopped(tmp_path, mnist5k):
    settings = Settings(dataset="mnist5k", epochs=8)
    plan = study.Plan(settings, BUDGET, 11, 2)
    trials, ask = opened(tmp_path, plan, mnist5k)
    for number in range(6):
        asked = ask()
        assert all(asked.may_win(9, epoch, 0.8 + number / 100) for epoch in range(8))
        end(asked, 0.8 + number / 100, 9)
    asked = ask()
    went_on = [asked.may_win(9, epoch, 0.5) for epoch in range(8)]
    # Not before a quarter of the epochs; and what has trained its last epoch is whole.
    assert went_on == [True, True, *[False] * 5, True]
    assert trials.trials[6].intermediate_values[7] == 0.5
    end(asked, 0.99, 9, optuna.trial.TrialState.PRUNED)
    ended = study.ended_trials(trials, BUDGET)
    assert len(ended) == 7
    assert [one.number for one in runs.best_first(ended, BUDGET)] == [5, 4, 3, 2, 1, 0]
    # One that failed is not tried again; one that was left is asked for before new ones.
    study.fail(trials, trials.ask().number)
    study.fail(trials, 0)  # which has ended
    assert [trials.ask().number, study.count_failed(trials)] == [8, 1]
    assert [*study.ask(trials, plan)] == [8, 9, 10]
    # Examples that are less than any batch that a trial chooses.
    few = study.Asked(tmp_path, plan._replace(examples=20), 9, "another client")
    assert few.settings.batch_size == 20


def test_settings_of_a_trial_are_the_same_wherever_it_is_opened(tmp_path, mnist5k):
    plan = study.Plan(Settings(dataset="mnist5k", epochs=8, seed=3), BUDGET, 13, 2)
    _, ask = opened(tmp_path, plan, mnist5k)
    several = [ask() for _ in range(4)]
    assert len({str(asked.settings) for asked in several}) == 4
    for number, asked in enumerate(several):
        again = study.Asked(tmp_path, plan, number, "a worker elsewhere")
        assert again.settings == asked.settings
    # One that its worker had told of before it was lost is not trained again.
    end(several[0], 0.5, 9)
    ended = [study.Asked(tmp_path, plan, number, "another").has_ended for number in range(2)]
    assert ended == [True, False]


def test_a_run_that_cannot_be_a_trials_is_to_be_replaced(tmp_path, mnist5k):
    plan = study.Plan(Settings(dataset="mnist5k", epochs=8), BUDGET, 13, 2)
    _, ask = opened(tmp_path, plan, mnist5k)
    asked = ask()
    assert asked.older(1) is None  # there is none
    shutil.copytree(ROOT / "tests" / "earlier" / "dense", asked.folder)
    assert asked.older(1) == runs.stamp(asked.folder)  # of other settings
    config = json.loads((asked.folder / "config.json").read_text())
    config |= {"settings": asked.settings.to_json(), "threads": 1}
    (asked.folder / "config.json").write_text(json.dumps(config))
    # Complete, by its own command perhaps, or before its worker was lost.
    assert asked.older(1) is None and asked.older(2) == runs.stamp(asked.folder)
    (asked.folder / "history.json").write_text("{")
    assert asked.older(1) == runs.stamp(asked.folder)


def test_a_trial_that_cannot_reach_the_target_with_fewer_parameters_is_stopped(tmp_path, mnist5k):
    settings, goal = Settings(dataset="mnist5k", epochs=8), study.Goal(target_accuracy=0.9)
    plan = study.Plan(settings, goal, 20, 2)
    _, ask = opened(tmp_path, plan, mnist5k)

    def goes_on(parameters, epoch, accuracy):
        return ask().may_win(parameters, epoch, accuracy)

    # An error of three times that of the target, after a quarter of the epochs.
    assert [goes_on(900, *one) for one in ((1, 0.1), (2, 0.71), (2, 0.69), (6, 0.69))] == [
        True,
        True,
        False,
        False,
    ]
    for parameters in (100, 200, 300, 400, 500):
        assert goes_on(900, 0, 0.9)
        end(ask(), 0.95, parameters)
    # Five reach it, and are enough to be trained again: more parameters than theirs cannot win.
    assert [goes_on(parameters, 0, 0.9) for parameters in (501, 500)] == [False, True]


def test_of_those_that_reach_the_target_the_fewest_parameters_win():
    rows = (
        (0, 0.96, 900, True, True),
        (1, 0.94, 90, True, False),
        (2, 0.95, 300, True, True),
        (3, 0.99, 50, False, False),
    )
    trials = [runs.Trial(**dict(zip(runs.Trial.model_fields, row))) for row in rows]
    assert [one.number for one in runs.best_first(trials, TARGET)] == [2, 0]
    every = [one.model_copy(update={"reached": True}) for one in trials]
    assert [one.number for one in runs.best_first(every, BUDGET)] == [0, 2, 1]


@pytest.mark.cluster
def test_a_target_that_nothing_reaches(data_dir, tmp_path):
    flags = (
        "-m",
        "t",
        "--search",
        "1",
        "--target-accuracy",
        "0.999",
        "--epochs",
        "1",
        "--workers",
        "1",
    )
    done = call("train", "--data-dir", data_dir, "--results-dir", tmp_path, *flags)
    assert (done.returncode, done.stderr) == (0, "")
    accuracy = runs.load(tmp_path / "t" / "trial=0").history.final["val_accuracy"]
    assert (
        f"No trial reaches 0.999: the best has {accuracy:.4f}, with " in done.stdout
        and "more trials" in done.stdout
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--search", "0", "--unit-budget", "9"), "at least one trial"),
        (("--search", "2", "--unit-budget", "3"), "less than a unit for each of four layers"),
        (("--search", "2"), "either --unit-budget or --target-accuracy"),
        (
            ("--search", "2", "--unit-budget", "9", "--target-accuracy", "0.9"),
            "either --unit-budget or --target-accuracy",
        ),
        (("--search", "2", "--target-accuracy", "1.5"), "between 0 and 1"),
        (("--search", "2", "--unit-budget", "9", "--sweep", "dropout", "0"), "without --sweep"),
        (("--search", "2", "--unit-budget", "9", "--overwrite"), "goes on where it stopped"),
        (("--search", "2", "--unit-budget", "9", "-c"), "--unit-budget is for the dense net"),
        (("--search", "2", "--target-accuracy", "0.9", "--net", "gan-dense"), "not for gan-dense"),
        (("--search", "2", "--unit-budget", "9", "--hidden", "5,4"), "leave out --hidden"),
        (("--search", "2", "--unit-budget", "9", "--repeats", "0"), "repeats must be"),
        (
            ("--search", "2", "--unit-budget", "9", "--repeats", "99999999999"),
            "at most 10,000 trainings",
        ),
        (
            ("--search", "9994", "--unit-budget", "9", "--repeats", "1"),
            "at most 10,000 trainings, not 10,002",
        ),
        (("--unit-budget", "9"), "add --search TRIALS"),
    ],
)
def test_bad_flags_of_a_search(flags, said, data_dir, tmp_path):
    assert_refused(
        call("train", "-m", "x", "--data-dir", data_dir, "--results-dir", tmp_path, *flags), said
    )
    assert not (tmp_path / "x").exists()


def broken(path):
    path.write_bytes(b"not a journal" * 100)


def lines(path):
    path.write_bytes(b"not a journal\n" * 100)


def foreign(path):
    path.write_text('{"op_code": 99, "worker_id": "mine"}\n[]\n')


def other_study(path):
    optuna.create_study(storage=journal(path), study_name="mine")


@pytest.mark.parametrize("make", [broken, lines, foreign, other_study])
def test_a_journal_that_is_of_no_search_is_refused_and_left_as_it_is(make, data_dir, tmp_path):
    path = tmp_path / "s" / "search.journal"
    path.parent.mkdir()
    make(path)
    before = path.read_bytes()
    assert_refused(
        train(data_dir, tmp_path, "--search", "2"), "search.journal: not the journal of a search"
    )
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["search.journal"]


def test_a_search_of_an_earlier_version_is_refused(data_dir, tmp_path):
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "search.db").write_bytes(b"SQLite format 3")
    done = train(data_dir, tmp_path, "--search", "2")
    assert_refused(done, "a search of an earlier version, whose search.db is not read any more")
    assert [one.name for one in (tmp_path / "s").iterdir()] == ["search.db"]


def edited(path, change):
    """Change the logs of a journal, each a dict."""
    logs = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(f"{json.dumps(log)}\n" for log in change(logs)))


def with_value(key, name, value):
    """What puts a value in the place of all that a journal has under this name."""

    def change(logs):
        assert any(name in log.get(key, {}) for log in logs)
        return [log | {key: {name: value}} if name in log.get(key, {}) else log for log in logs]

    return change


def with_field(name, value, where=lambda log: True):
    def change(logs):
        assert any(name in log and where(log) for log in logs)
        return [log | {name: value} if name in log and where(log) else log for log in logs]

    return change


def without_created(logs):
    """Without the first trial that was asked for: numbers are missing."""
    first = next(log for log in logs if log["op_code"] == 4)
    return [log for log in logs if log is not first]


def left_with(name, value, field="param_value_internal"):
    """The first trial was left by a client, with something else as a parameter."""

    def change(logs):
        ended = [log for log in logs if log.get("trial_id") == 0 and log.get("values")]
        kept = [log for log in logs if log not in ended]
        return with_field(field, value, lambda log: log.get("param_name") == name)(kept)

    return change


OTHER = '{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}'


@pytest.mark.cluster
@pytest.mark.parametrize(
    "change",
    [
        with_value("user_attr", "search", None),
        with_value("user_attr", "search", 3),
        with_value("user_attr", "search", [["epochs", "4"]]),
        lambda logs: [log for log in logs if "accuracy" not in log.get("user_attr", {})],
        with_value("user_attr", "accuracy", "high"),
        with_value("user_attr", "accuracy", 1e99),
        with_value("user_attr", "accuracy", float("nan")),
        with_value("user_attr", "parameters", -1),
        with_field("state", 77),
        with_field("state", "COMPLETE"),
        with_field("values", [float("nan")], lambda log: log["values"]),
        with_field("values", None, lambda log: log["values"]),
        with_field("intermediate_value", "high"),
        with_field("trial_id", 1000),
        without_created,
        with_field("distribution", "{}"),
        left_with("dropout", 99.0),
        left_with("dropout", OTHER, "distribution"),
    ],
)
def test_a_journal_whose_values_are_none_of_a_search_is_refused(
    change, finished, data_dir, tmp_path
):
    shutil.copytree(finished[0] / "s", tmp_path / "s")
    edited(tmp_path / "s" / "search.journal", change)
    before = (tmp_path / "s" / "search.json").read_bytes()
    done = train(data_dir, tmp_path, "--search", "5")
    assert_refused(done, "search.journal: not the journal of a search")
    assert (tmp_path / "s" / "search.json").read_bytes() == before
    assert not list((tmp_path / "s").glob(".*"))


@pytest.mark.cluster
def test_a_search_without_its_journal_is_called_one(finished, data_dir, tmp_path):
    shutil.copytree(
        finished[0] / "s", tmp_path / "s", ignore=shutil.ignore_patterns("search.journal")
    )
    assert_refused(
        train(data_dir, tmp_path, "--search", "4"),
        "holds a search whose search.journal is gone: put it back",
    )


def test_a_link_in_the_place_of_finalists_is_refused_before_the_trials(data_dir, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "s").mkdir()
    (tmp_path / "s" / "test").symlink_to(tmp_path / "elsewhere")
    assert_refused(train(data_dir, tmp_path, "--search", "1"), "a link, which is not followed")
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["test"]


def test_how_long_a_search_takes_is_told_by_earlier_runs(tmp_path, capsys):
    """Of which the first epoch of each was compiled; and by none with numbers that no run has."""
    folder = tmp_path / "old"
    shutil.copytree(ROOT / "tests" / "earlier" / "dense", folder)
    told = json.loads((folder / "history.json").read_text())
    epochs = len(told["epoch_seconds"])
    settings = runs.load(folder).settings.replace(epochs=100)
    plan, output = study.Plan(settings, BUDGET, 4, 2), runs.Output(tmp_path / "s", "s")
    for total, said in (
        (10 + 2 * epochs, "0:29:45"),
        (1e90, "11574 days"),
    ):  # 17 trainings of 10 + 100 x 2 seconds
        told |= {"epoch_seconds": [12.0] + [2.0] * (epochs - 1), "total_seconds": total}
        (folder / "history.json").write_text(json.dumps(told))
        search.announce(plan, 1, output, 2)
        assert f"2 at a time: about {said}" in " ".join(capsys.readouterr().out.split())


def test_what_was_half_written_is_taken_back(tmp_path, mnist5k):
    """As when the disk was full, or the power was cut."""
    plan = study.Plan(Settings(dataset="mnist5k"), BUDGET, 1, 1)
    study.open_study(tmp_path, plan, {"mnist5k": mnist5k})
    path = tmp_path / "search.journal"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":4,"work')
    again = study.open_study(tmp_path, plan, {"mnist5k": mnist5k})
    assert path.read_bytes() == whole and again.ask().number == 0


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--epochs", "5"), "its epochs is 4, not 5"),
        (("--unit-budget", "13"), "its unit-budget is 12, not 13"),
        (("--dropout", "0.1"), "its dropout is to be found, not 0.1"),
    ],
)
def test_another_search_is_refused(flags, said, finished, data_dir):
    assert_refused(train(data_dir, finished[0], "--search", "9", *flags), said)
    assert len(study_of(finished[0]).trials) == 4


def test_a_folder_of_other_runs_is_refused(data_dir, tmp_path):
    (tmp_path / "s/hidden=3/seed=0").mkdir(parents=True)
    (tmp_path / "s/hidden=3/seed=0/config.json").write_text("{}")
    assert_refused(
        train(data_dir, tmp_path, "--search", "2"),
        "s holds other runs, as of a sweep: choose another name",
    )
    assert [path.name for path in (tmp_path / "s").iterdir()] == ["hidden=3"]


@pytest.mark.cluster
def test_other_data_are_refused(finished, mnist5k, tmp_path):
    arrays = data.Arrays(*(array[100:400] for array in mnist5k.arrays))
    write_npz(
        tmp_path / "mnist.npz", arrays.train_images[..., 0], arrays.train_labels, *arrays.validation
    )
    done = train(tmp_path, finished[0], "--search", "9", "--holdout", "160")
    assert_refused(done, "is of another search: its data is")
