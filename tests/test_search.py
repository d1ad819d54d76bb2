"""A search: what it tries, what is on disk when it was killed and went on, and that the test
images wait until the end.
"""

import contextlib
import json
import re
import shlex
import shutil
import sqlite3
from unittest import mock

import numpy as np
import optuna
import pytest

import train as train_script
from lab import cli, data, runs
from lab.experiments import cluster, search, study, trainer
from lab.experiments.space import FIRST, suggest
from lab.settings import Settings
from tests.conftest import ROOT, assert_refused, call, write_npz

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
        study, FINALISTS=3, TESTED=2
    ):  # each is compiled anew, which takes seconds
        return call("train", "--data-dir", data_dir, "--results-dir", results_dir, *FLAGS, *flags)


def study_of(folder):
    return optuna.load_study(
        study_name="search", storage=f"sqlite:///{folder / 's' / study.DATABASE}"
    )


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
        "search.db",
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
    assert (len(again), len(tested)) == (2 * min(3, sum(one.whole for one in told.trials)), 4)
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
        "up to 14 trainings (4 trials; the best 3 again, and 2 of these on all images, 2 seeds "
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
    assert (
        done.returncode == 1 and "trial=0: its process died 3 times, with status 0\n" in done.stderr
    )


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


def end(trial, accuracy, parameters, state=optuna.trial.TrialState.COMPLETE):
    trial.set_user_attr("accuracy", accuracy)
    trial.set_user_attr("parameters", parameters)
    trial.study.tell(
        trial, 1 - accuracy if state == optuna.trial.TrialState.COMPLETE else None, state=state
    )


def test_a_trial_that_falls_behind_is_stopped(tmp_path, mnist5k):
    path, arrays = tmp_path / "search.db", {"mnist5k": mnist5k}
    settings = Settings(dataset="mnist5k", epochs=8)
    plan = study.Plan(settings, BUDGET, 13, 2)
    trials = study.open_study(path, plan, arrays)
    for number in range(6):
        trial = trials.ask()
        assert all(study.may_win(trial, plan, 9, epoch, 0.8 + number / 100) for epoch in range(8))
        end(trial, 0.8 + number / 100, 9)
    trial = trials.ask()
    went_on = [study.may_win(trial, plan, 9, epoch, 0.5) for epoch in range(8)]
    assert went_on == [True, True, *[False] * 6]  # not before a quarter of the epochs
    assert trials.trials[6].intermediate_values[7] == 0.5
    end(trial, 0.99, 9, optuna.trial.TrialState.PRUNED)
    ended = study.ended_trials(trials, BUDGET)
    assert len(ended) == 7 and [one.number for one in runs.best_first(ended, BUDGET)] == [
        5,
        4,
        3,
        2,
        1,
        0,
    ]
    # One that left no whole run has failed, and is not tried again; what is asked for next is the
    # next one.
    broken = tmp_path / "broken"
    shutil.copytree(ROOT / "tests" / "earlier" / "dense", broken)
    (broken / "history.json").write_text(
        (broken / "history.json").read_text().replace('"complete"', '"training"')
    )
    spoilt = tmp_path / "spoilt"
    spoilt.mkdir()
    (spoilt / "config.json").write_text("{")
    for folder in (tmp_path / "nothing", broken, spoilt):
        assert not study.tell(trials.ask(), BUDGET, folder)
    older = ROOT / "tests" / "earlier" / "dense"  # of which nothing has taken the place
    assert not study.tell(trials.ask(), BUDGET, older, runs.stamp(older))
    assert len(study.ended_trials(trials, BUDGET)) == 7
    assert [trial.number for trial, *_ in study.ask(trials, plan, tmp_path)] == [11, 12]
    # Examples that are less than any batch that a trial chooses.
    few = plan._replace(trials=15, examples=20)
    assert [one.batch_size for _, one, _ in study.ask(trials, few, tmp_path)] == [20] * 4


def test_a_trial_that_cannot_reach_the_target_with_fewer_parameters_is_stopped(tmp_path, mnist5k):
    settings, goal = Settings(dataset="mnist5k", epochs=8), study.Goal(target_accuracy=0.9)
    plan = study.Plan(settings, goal, 20, 2)
    trials = study.open_study(tmp_path / "search.db", plan, {"mnist5k": mnist5k})

    def goes_on(parameters, epoch, accuracy):
        return study.may_win(trials.ask(), plan, parameters, epoch, accuracy)

    # An error of three times that of the target, after a quarter of the epochs.
    assert [goes_on(900, *one) for one in ((1, 0.1), (2, 0.71), (2, 0.69), (7, 0.69))] == [
        True,
        True,
        False,
        False,
    ]
    for parameters in (100, 200, 300, 400, 500):
        assert goes_on(900, 0, 0.9)
        end(trials.ask(), 0.95, parameters)
    # Five reach it, and are enough to be trained again: more parameters than theirs cannot win.
    assert [goes_on(parameters, 0, 0.9) for parameters in (501, 500)] == [False, True]


def test_a_trial_that_was_completed_by_its_own_command_is_not_trained_again(tmp_path, mnist5k):
    settings = Settings(dataset="mnist5k", epochs=2)
    plan = study.Plan(settings, BUDGET, 2, 2)
    trials = study.open_study(tmp_path / "search.db", plan, {"mnist5k": mnist5k})
    for number in range(2):
        shutil.copytree(ROOT / "tests" / "earlier" / "dense", tmp_path / f"trial={number}")
        config = json.loads((tmp_path / f"trial={number}/config.json").read_text())
        trained = suggest(trials.ask(), settings, BUDGET).replace(
            seed=number
        )  # the second is another run
        (tmp_path / f"trial={number}/config.json").write_text(
            json.dumps(config | {"settings": trained.to_json()})
        )
    study.tell_of_the_complete(trials, plan, tmp_path)
    assert [one.number for one in study.ended_trials(trials, BUDGET)] == [0]
    assert (
        trials.trials[0].user_attrs["accuracy"]
        == runs.load(tmp_path / "trial=0").history.final["val_accuracy"]
    )


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
    path.write_bytes(b"not a database" * 100)


def foreign(path):
    with sqlite3.connect(path) as connection:
        connection.execute("create table mine (secret text)")


def other_study(path):
    optuna.create_study(storage=f"sqlite:///{path}", study_name="mine")


@pytest.mark.parametrize("make", [broken, foreign, other_study])
def test_a_database_that_is_no_search_is_refused_and_left_as_it_is(make, data_dir, tmp_path):
    path = tmp_path / "s" / "search.db"
    path.parent.mkdir()
    make(path)
    before = path.read_bytes()
    assert_refused(
        train(data_dir, tmp_path, "--search", "2"), "search.db: not the database of a search"
    )
    assert path.read_bytes() == before and [one.name for one in path.parent.iterdir()] == [
        "search.db"
    ]


ATTRIBUTE, ACCURACY = "study_user_attributes set value_json", "where key = 'accuracy'"
ASK = "update trials set state = 'RUNNING'"
OTHER = '{"name": "IntDistribution", "attributes": {"log": false, "step": 1, "low": 0, "high": 3}}'


@pytest.mark.cluster
@pytest.mark.parametrize(
    "statements",
    [
        [f"update {ATTRIBUTE} = 'null'"],
        [f"update {ATTRIBUTE} = '3'"],
        [f"delete from trial_user_attributes {ACCURACY}"],
        [f"update trial_user_attributes set value_json = '\"high\"' {ACCURACY}"],
        [f"update trial_user_attributes set value_json = '7' {ACCURACY}"],
        [f"update trial_user_attributes set value_json = 'NaN' {ACCURACY}"],
        ["update trial_user_attributes set value_json = '-5' where key = 'parameters'"],
        ["update trials set state = 'LOST'"],
        ["update trials set number = 0"],
        ["update trials set number = number + 1000"],
        ["update trial_params set distribution_json = '{}'"],
        [ASK, "update trial_params set param_value = 99"],
        [
            ASK,
            f"update trial_params set distribution_json = '{OTHER}' where param_name = 'dropout'",
        ],
    ],
)
def test_a_database_whose_values_are_none_of_a_search_is_refused(
    statements, finished, data_dir, tmp_path
):
    shutil.copytree(finished[0] / "s", tmp_path / "s")
    with (
        contextlib.closing(sqlite3.connect(tmp_path / "s" / "search.db")) as connection,
        connection,
    ):
        for statement in statements:
            connection.execute(statement)
    done = train(data_dir, tmp_path, "--search", "4")
    assert (
        done.returncode == 2
        and "search.db: not the database of a search" in done.stderr.splitlines()[-1]
    )
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.cluster
def test_a_search_without_its_database_is_called_one(finished, data_dir, tmp_path):
    shutil.copytree(finished[0] / "s", tmp_path / "s", ignore=shutil.ignore_patterns("search.db"))
    assert_refused(
        train(data_dir, tmp_path, "--search", "4"),
        "holds a search whose search.db is gone: put it back",
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


def test_what_a_killed_process_had_begun_to_write_is_taken_back(tmp_path, mnist5k):
    path = tmp_path / "search.db"
    plan = study.Plan(Settings(dataset="mnist5k"), BUDGET, 1, 1)
    study.open_study(path, plan, {"mnist5k": mnist5k})
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in (
        "pragma cache_size = 1",
        "begin",
        "create table half as select 1",
        "update trials set number = 9",
    ):
        connection.execute(statement)
    connection.executemany(
        "insert into half values (?)", [("x" * 1000,)] * 100
    )  # more than is kept in memory
    (tmp_path / "killed").mkdir()
    for file in (path, path.with_name("search.db-journal")):
        shutil.copy(file, tmp_path / "killed")
    connection.close()
    again = study.open_study(tmp_path / "killed" / "search.db", plan, {"mnist5k": mnist5k})
    assert [trial.number for trial in again.trials] == [0]


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


@pytest.mark.cluster
def test_a_worker_stops_a_run_that_is_not_to_go_on(data_dir, tmp_path):
    settings, arrays = data.for_run(Settings(hidden=(8,), epochs=500, dataset="mnist"), data_dir)
    seen = []

    def watch(*epoch):
        seen.append(epoch)
        return epoch[0] == "short" or epoch[2] < 3

    several = {
        "short": settings.replace(epochs=2),
        "long": settings,
        "after": settings.replace(epochs=2),
    }
    planned = [(name, one, None) for name, one in several.items()]
    work = cluster.Work(runs.Output(tmp_path, "s"), threads=1, ahead=1, watch=watch)
    with cluster.connect() as client:
        ended = cluster.train_on_workers(
            client, planned, {"mnist": arrays}, work, lambda *state: None
        )
        files = {name: (json.loads(files["history.json"]), fault) for name, files, fault in ended}
    assert [(history["status"], fault) for history, fault in files.values()] == [
        ("complete", None),
        ("interrupted", None),
        ("complete", None),
    ]
    history = files["long"][0]
    assert 4 <= len(history["val_accuracy"]) < 500
    told = [accuracy for name, _, _, accuracy in seen if name == "long"]
    assert told == history["val_accuracy"][: len(told)]
    assert {parameters for _, parameters, _, _ in seen} == {784 * 8 + 8 + 8 * 10 + 10}


def test_a_run_that_has_trained_its_last_epoch_is_whole(monkeypatch):
    monkeypatch.setattr(trainer, "_stopped", {"late"})
    job, told = mock.Mock(settings=Settings(epochs=3)), []
    job.name = "late"
    goes_on = [
        trainer.goes_on(job, lambda *epoch: told.append(epoch), 9, epoch, {"val_accuracy": 0.5})
        for epoch in (1, 2)
    ]
    assert goes_on == [False, True] and told == [(9, 1, 0.5), (9, 2, 0.5)]
