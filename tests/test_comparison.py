"""Comparison of runs: from fabricated histories, whose numbers are known."""

import json
import os
import re
import shutil
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest
from PIL import Image
from scipy import stats

import models
from lab import comparison, figures, runs
from lab.comparison import View, charts, compare_runs, report_sweep, tables
from lab.comparison import text as tables_text
from lab.comparison.published import Published, place_of, read_published, verdicts_of
from lab.comparison.speed import speeds_of
from lab.metrics.cells import RANGE
from lab.metrics.table import EVALUATION, chosen
from lab.runs import write_json
from lab.settings import UserError
from tests.conftest import assert_refused, call, script
from tests.helpers import change_history, collect, fake_run, imported_by, rows_of, trend


@pytest.fixture
def sweep(tmp_path):
    """Two settings of three runs each, beside one of another name."""
    for hidden, lasts in (((100, 20), (0.96, 0.97, 0.98)), ((20, 20), (0.93, 0.94, 0.96))):
        for seed, last in enumerate(lasts):
            text = ",".join(map(str, hidden))
            fake_run(tmp_path / f"wide/hidden={text}/seed={seed}", last, hidden=hidden, seed=seed)
    fake_run(tmp_path / "alone", 0.95)
    return tmp_path


def speed_table(groups):
    return tables.speed_table(speeds_of(groups))


def test_repeats_are_gathered_in_the_order_of_their_settings(sweep):
    groups, notes = collect(sweep, "wide")
    assert [(group.name, len(group.runs)) for group in groups] == [
        ("hidden=20,20", 3),
        ("hidden=100,20", 3),
    ]
    assert notes == []
    groups, _ = collect(sweep, "alone", "wide")
    assert [group.name for group in groups] == [
        "alone: hidden=200,100, seed=0",
        "wide: hidden=20,20",
        "wide: hidden=100,20",
    ]
    groups, _ = collect(sweep, "wide/hidden=20,20")
    assert [(group.name, len(group.runs)) for group in groups] == [("wide/hidden=20,20", 3)]


def test_shell_patterns_name_runs(sweep):
    assert len(runs.named(sweep, ["w*"])) == 6
    assert len(runs.named(sweep, ["wide/*/seed=[01]"])) == 4
    assert len(runs.named(sweep, ["*", "wide", "alone"])) == 7  # each once
    for bad in ("x*", "../*", "/*"):
        with pytest.raises(UserError):
            runs.named(sweep / "wide", [bad])


def test_runs_without_an_outcome_are_left_out_and_named(sweep):
    fake_run(sweep / "wide/hidden=20,20/seed=3", 0.1, status="diverged", hidden=(20, 20), seed=3)
    fake_run(sweep / "wide/hidden=20,20/seed=4", 0.1, status="training", hidden=(20, 20), seed=4)
    fake_run(sweep / "wide/hidden=20,20/seed=5", 0.1, status="interrupted", hidden=(20, 20), seed=5)
    groups, notes = collect(sweep, "wide")
    assert len(groups[0].runs) == 3  # whose mean is of whole runs
    assert ["diverged" in notes[0], "not finished" in notes[1], "interrupted" in notes[2]] == [
        True
    ] * 3
    fake_run(sweep / "bad", status="diverged")
    with pytest.raises(UserError, match="nothing to compare"):
        collect(sweep, "bad")


def test_the_measures_of_a_group(sweep):
    (group, _), _ = collect(sweep, "wide")
    reached = group.measures
    assert reached["val_accuracy"] == pytest.approx([0.93, 0.94, 0.96])
    assert reached["loss"] == pytest.approx([0.17, 0.16, 0.14])
    assert (
        reached["epoch_seconds"].tolist() == [0.25] * 3
        and reached["first_epoch_seconds"].tolist() == [1.5] * 3
    )
    # From 0.8067 after the third epoch to 0.96 after the fourth.
    assert np.isnan(reached["epochs_to_0.95"][:2]).all()
    assert reached["epochs_to_0.95"][2] == pytest.approx(
        3 + (0.95 - 0.80667) / (0.96 - 0.80667), abs=1e-4
    )


def test_the_first_epoch_counts_only_where_it_was_compiled(tmp_path):
    for seed in range(3):
        fake_run(tmp_path / f"r/seed={seed}", seed=seed, compiled=seed == 1)
    (group,), _ = collect(tmp_path, "r")
    assert group.measures["first_epoch_seconds"].tolist() == [1.5]


def test_the_epoch_that_was_saved_is_the_one_that_counts(tmp_path):
    fake_run(tmp_path / "early")
    history = change_history(tmp_path / "early", saved_epoch=2)
    (group,), _ = collect(tmp_path, "early")
    assert group.measures["val_accuracy"][0] == history["val_accuracy"][1]


def test_the_tables_say_mean_and_half_width(sweep):
    done = call("evaluate", "-m", "wide", "--results-dir", sweep)
    assert done.returncode == 0 and done.stderr == ""
    folder = sweep / "comparisons" / "wide"
    drawn = [
        f"{name}.{ending}" for name in ("learning_curves", "trend") for ending in ("png", "svg")
    ]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [*drawn, "table.csv", "table.md"]
    )
    text = (folder / "table.md").read_text()
    # t of 2 degrees of freedom is 4.3027; the deviation of 0.93, 0.94, 0.96 is 0.015275.
    for where in (done.stdout, text):
        assert re.search(r" 20,20 .* 0\.9433 ± 0\.0379 .* 40,000 .* never, never, 3\.9 ", where)
    assert "over 0.95: 120,000 (hidden=100,20)" in text and "CPU: X, 1 thread" in text
    first, second = rows_of(folder / "table.csv")
    assert first["hidden"] == "20,20" and first["runs"] == "3" and second["parameters"] == "120000"
    assert float(first["val_accuracy"]) == pytest.approx(0.943333) and first["epochs_to_0.95"] == ""
    assert float(first["val_accuracy_half_width"]) == pytest.approx(0.037946, abs=1e-6)


def test_published_figures_are_held_against_the_prediction_interval(sweep, tmp_path):
    path = tmp_path / "published.csv"
    path.write_text(
        'hidden,parameters,val_accuracy,val_loss\n"20,20",40000,0.90,0.2\n"100,20",1,0.99,0.01\n"7,7",1,0.5,1\n'
    )
    done = call("evaluate", "-m", "wide", "--results-dir", sweep, "--published", path)
    assert done.returncode == 0, done.stderr
    # 0.943333 ± 2.7764 * 0.012910 * sqrt(4/3), which holds what may be rounded to 0.90; for the
    # other 0.97 ± the same. The deviations of the two are pooled: to sqrt((0.015275^2 + 0.01^2) /
    # 2) = 0.012910; t of 4 degrees of freedom is 2.7764.
    assert re.search(
        r" 20,20 .*40,000 equal .*0\.90 inside 0\.9019 to 0\.9847.*0\.2 above", done.stdout
    )
    assert re.search(
        r" 100,20 .*1 NOT equal .*0\.99 inside 0\.9286 to 1\.0000.*0\.01 inside", done.stdout
    )
    assert (
        "Published val. accuracy: 2 of 2 lie inside, where by chance 1.9 would; none outside "
        "beyond chance" in done.stdout
    )
    assert (
        "Published val. loss: 1 of 2 lie inside"
        in (sweep / "comparisons/wide/table.md").read_text()
    )
    row = rows_of(sweep / "comparisons/wide/table.csv")[0]
    assert float(row["published_val_accuracy"]) == 0.9 and float(
        row["val_accuracy_low"]
    ) == pytest.approx(0.90194, abs=1e-5)


@pytest.mark.parametrize(
    "content",
    [
        b'\xef\xbb\xbfhidden,val_accuracy\r\n"20,20",0.9\r\n',  # as a spreadsheet writes it
        b'val-accuracy, hidden\n0.9,"20,20"\n',
    ],
)
def test_published_files_in_other_hands_writing(content, sweep, tmp_path):
    (tmp_path / "published.csv").write_bytes(content)
    published = read_published(tmp_path / "published.csv", collect(sweep, "wide")[0])
    assert published.final == {"hidden=20,20": {"val_accuracy": Decimal("0.9")}}


def test_our_own_table_can_be_held_against_other_runs(sweep, tmp_path):
    groups, _ = collect(sweep, "wide")
    compare_runs(sweep, runs.named(sweep, ["wide"]), tmp_path / "mine", View())
    published = read_published(tmp_path / "mine" / "table.csv", groups)
    assert float(published.final["hidden=20,20"]["val_accuracy"]) == pytest.approx(0.943333)


def test_a_table_held_against_its_own_runs_is_not_shifted(sweep, tmp_path):
    for seed, last in enumerate((0.90, 0.91, 0.93)):
        fake_run(sweep / f"wide/hidden=9,9/seed={seed}", last, hidden=(9, 9), seed=seed)
    folders = runs.named(sweep, ["wide"])
    compare_runs(sweep, folders, tmp_path / "mine", View())
    compare_runs(
        sweep, folders, tmp_path / "again", View(published=tmp_path / "mine" / "table.csv")
    )
    table = (tmp_path / "again" / "table.md").read_text()
    assert (
        "Published val. loss: 3 of 3 lie inside" in table
        and "on average" not in table
        and "nan" not in table
    )


def test_an_empty_setting_of_our_own_table_is_the_default_not_any_value(tmp_path):
    fake_run(tmp_path / "a")
    fake_run(tmp_path / "b", early_stopping=1)
    groups, _ = collect(tmp_path, "a", "b")
    compare_runs(tmp_path, runs.named(tmp_path, ["a", "b"]), tmp_path / "mine", View())
    assert [row["early_stopping"] for row in rows_of(tmp_path / "mine" / "table.csv")] == ["", "1"]
    assert list(read_published(tmp_path / "mine" / "table.csv", groups).final) == [
        group.name for group in groups
    ]
    (tmp_path / "old.csv").write_text(
        "learning_rate,early_stopping,val_loss\n,,1\n"
    )  # a default was once no value at all
    assert list(read_published(tmp_path / "old.csv", groups).final) == ["a: early-stopping=none"]


def test_published_figures_by_epoch(sweep, tmp_path):
    path = tmp_path / "published.csv"
    path.write_text(
        'epoch,hidden,seconds,val_accuracy,loss\n1,"20,20",9,0.5,0.6\n4,"20,20",9,0.99,0.5\n5,"20,20",9,1,0.4\n'
    )
    done = call("evaluate", "-m", "wide", "--results-dir", sweep, "--published", path)
    assert done.returncode == 0, done.stderr
    table = (
        (sweep / "comparisons/wide/table.md")
        .read_text()
        .partition("## Published figures by epoch")[2]
    )
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in table.splitlines()
        if line.startswith("|")
    ]
    of_loss = "loss while learning", "published loss while learning"
    assert rows[0] == ["epoch", "val. accuracy", "published val. accuracy", *of_loss]
    # Epoch 1 is 0.5 in every run; epoch 4 as in the test above. The fifth was not trained.
    assert rows[2] == ["1", "0.5000 ± 0.0000", "0.5 inside", "0.6000 ± 0.0000", "0.6 inside"]
    assert rows[3] == ["4", "0.9433 ± 0.0379", "0.99 inside", "0.1567 ± 0.0379", "0.5 above"]
    assert len(rows) == 4 and "Published loss while learning: 1 of 2 lie inside" in table


def test_published_figures_by_epoch_of_every_run(sweep, tmp_path):
    (tmp_path / "published.csv").write_text("epoch,loss\n1,0.6\n2,0.5\n")
    groups, _ = collect(sweep, "alone", "wide")
    published = read_published(tmp_path / "published.csv", groups)
    assert list(published.by_epoch) == [group.name for group in groups] and not published.final
    alone = [group for group in groups if group.folder.name == "alone"]
    verdicts = verdicts_of(alone, published)
    _, rows, notes = tables.published_epochs_table(groups, published, verdicts)
    figures = {"loss while learning": "0.6000", "published loss while learning": "0.6"}
    assert rows[0] == {"epoch": "1"} | figures and "Without --repeats" in notes[-1]


def test_published_epochs_that_their_own_run_did_not_reach(sweep, tmp_path):
    (tmp_path / "published.csv").write_text('epoch,hidden,loss\n5,"20,20",0.6\n')
    fake_run(sweep / "long", hidden=(7,))
    history = json.loads((sweep / "long" / "history.json").read_text())
    change_history(
        sweep / "long",
        **{key: value * 2 for key, value in history.items() if isinstance(value, list)},
    )
    groups, _ = collect(sweep, "long", "wide")
    with pytest.raises(UserError, match="none of its epochs"):
        read_published(tmp_path / "published.csv", groups)


def test_published_figures_that_are_partly_unknown(sweep, tmp_path):
    (tmp_path / "published.csv").write_text(
        'hidden,parameters,loss\n"20,20",,0.2\n"100,20",120000,\n'
    )
    done = call(
        "evaluate", "-m", "wide", "--results-dir", sweep, "--published", tmp_path / "published.csv"
    )
    assert done.returncode == 0, done.stderr
    table = (sweep / "comparisons/wide/table.md").read_text().partition("## Published")[2]
    assert re.search(r"\| 20,20 +\| 0\.2 (inside|above)", table)
    assert re.search(r"\| 100,20 +\| - ", table)


OURS = {"hidden": (20, 20), "epochs": 2, "name": "mnist", "dataset": "mnist"}


@pytest.mark.parametrize(
    ("ours", "columns", "cells", "said"),
    [
        ({}, "epochs", "10", "epochs 10, ours 2 (1 row)"),
        (
            {"epochs": 10, "status": "interrupted"},
            "epochs",
            "10",
            "epochs 10, ours 4 of 10, interrupted",
        ),
        ({"status": "interrupted"}, "net", "dense", "epochs unknown, ours 4 of 2, interrupted"),
        (
            {"name": "mnist5k", "dataset": "mnist5k"},
            "dataset,epochs",
            "mnist,3",
            "dataset mnist, ours mnist5k; epochs 3, ours 2",
        ),
        ({"holdout": 500}, "holdout", "0", "holdout 0, ours 500"),
        ({"holdout": 500}, "holdout", "", "holdout 0, ours 500"),
    ],
)
def test_figures_of_other_conditions_are_shown_without_a_verdict(
    ours, columns, cells, said, tmp_path
):
    for seed, last in enumerate((0.93, 0.94, 0.96)):
        fake_run(tmp_path / f"r/seed={seed}", last, seed=seed, **OURS | ours)
    (tmp_path / "p.csv").write_text(f'hidden,{columns},val_accuracy,loss\n"20,20",{cells},0.5,0\n')
    done = call("evaluate", "-m", "r", "--results-dir", tmp_path, "--published", tmp_path / "p.csv")
    assert done.returncode == 0, done.stderr
    table = (tmp_path / "comparisons/r/table.md").read_text().partition("## Published")[2]
    assert (
        f"No verdict on figures published with {said}" in table
        and "| 0.5 " in table
        and "below" not in table
    )
    row = rows_of(tmp_path / "comparisons/r/table.csv")[0]
    assert (row["published_val_accuracy"], row["val_accuracy_place"], row["loss_place"]) == (
        "0.5",
        "",
        "",
    )


def test_a_row_of_the_same_conditions_comes_first_and_one_of_several_others_is_not_guessed(
    tmp_path,
):
    for epochs in (2, 3):
        fake_run(tmp_path / f"r/epochs={epochs}", **OURS | {"epochs": epochs})
    (tmp_path / "p.csv").write_text('hidden,epochs,val_loss\n"20,20",2,0.5\n"20,20",10,0.25\n')
    found = read_published(tmp_path / "p.csv", collect(tmp_path, "r")[0])
    assert found.final == {"epochs=2": {"val_loss": Decimal("0.5")}} and not found.unjudged
    assert found.notes == [
        "Not checked, as the published file has no such column: dataset, holdout."
    ]


@pytest.mark.parametrize(
    ("settings", "columns", "cells", "said"),
    [
        (
            {"regularizer_strength": 1e-3},
            "net",
            "dense",
            "with cross-entropy, ours cross-entropy + weight decay l2 0.001",
        ),
        ({"regularizer_strength": 1e-3}, "regularizer_strength", "1e-3", None),
        (
            {"regularizer_strength": 1e-3, "regularizer": "l1"},
            "regularizer_strength",
            "1e-3",
            "ours cross-entropy + weight decay l1",
        ),
        ({"label_smoothing": 0.1}, "net", "dense", "ours cross-entropy + label smoothing 0.1"),
        ({"regularizer": "l1", "dropout": 0.5}, "net", "dense", None),
    ],
)
def test_a_published_loss_of_other_terms_has_no_verdict(settings, columns, cells, said, tmp_path):
    for seed, last in enumerate((0.93, 0.94, 0.96)):
        fake_run(tmp_path / f"r/seed={seed}", last, seed=seed, **settings)
    (tmp_path / "p.csv").write_text(f"{columns},val_accuracy,val_loss,loss\n{cells},0.5,9,9\n")
    groups, _ = collect(tmp_path, "r")
    found = read_published(tmp_path / "p.csv", groups)
    (places,) = [
        {name: one.place for name, one in row.items()}
        for row in verdicts_of(groups, found).values()
    ]
    above = None if said else "above"
    assert places == {"val_accuracy": "below", "val_loss": above, "loss": above}
    assert len(found.unjudged) == bool(said) and (not said or said in found.unjudged[0])


def evaluated_gans(folder, evaluations):
    """Repeats of a GAN, each with what evaluate.py found."""
    for seed, evaluation in enumerate(evaluations):
        fake_run(folder / f"seed={seed}", net="gan-dense", seed=seed, steps_per_epoch=468)
        change_history(folder / f"seed={seed}", **dict.fromkeys(models.GAN.curves, [0.5] * 4))
        write_json(folder / f"seed={seed}/evaluation.json", evaluation)


@pytest.mark.parametrize(
    "values", [(0.5, 0.97, 1.0), (0.0, 0.0, 0.003), (0.0, 1.0), (0.4, 0.41, 0.42), (1.0, 1.0, 1.0)]
)
def test_no_interval_leaves_what_a_measure_can_be(values, tmp_path):
    names = chosen(source=EVALUATION, bounds=(0, 1))
    evaluated_gans(
        tmp_path / "g", [dict.fromkeys(names, value) | {"unclear": 0.5} for value in values]
    )
    done = call("evaluate", "-m", "g", "--results-dir", tmp_path)
    table = (tmp_path / "comparisons/g/table.md").read_text()
    assert done.returncode == 0 and "unclear" in table
    ends = [
        (float(mean) - float(half), float(mean) + float(half))
        for mean, half in re.findall(r"([\d.]+) ± ([\d.]+)", table)
    ]
    assert min(low for low, _ in ends) >= 0 and max(high for low, high in ends) <= 1
    row = rows_of(tmp_path / "comparisons/g/table.csv")[0]
    mean, half_width = np.mean(values), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    within = mean - half_width >= 0 and mean + half_width <= 1
    assert (
        float(row["precision"]) == pytest.approx(mean)
        and (row["precision_half_width"] != "") == within
    )
    assert [float(value) for value in row["precision_of_runs"].split()] == [*values]
    shown = (
        f"{mean:.3f} ± {half_width:.3f}"
        if within
        else f"{mean:.3f} ({min(values):.3f} to {max(values):.3f})"
    )
    assert shown in table and (RANGE in table) == (not within)
    for kind, sign in (("markdown", "±"), ("latex", r"$\pm$")):
        exported = call("evaluate", "-m", "g", "--results-dir", tmp_path, "--export", kind)
        assert shown.replace("±", sign) in exported.stdout and (RANGE in exported.stderr) == (
            not within
        )


def test_measures_that_say_nothing_are_blank_also_of_earlier_evaluations(tmp_path):
    found = {
        "samples": 3000,
        "classifier": "c",
        "classes": ["0", "1"],
        "counts": [1, 0],
        "shares": [0.5, 0.5],
    }
    found |= {
        "precision": 1.0,
        "coverage": 0.0,
        "unclear": 1.0,
        "chi_square_p": 0.5,
        "reverse_kl": 0.7,
        "frechet": 10.0,
    }
    evaluated_gans(tmp_path / "g", [found] * 2)
    text = " ".join(call("evaluate", "-m", "g", "--results-dir", tmp_path).stdout.split())
    assert (
        "Left blank: density, precision, recall, where the classifier is unsure of over 90% of the "
        "samples." in text
    )
    assert (
        "Left blank: p (chi-square), reverse KL, where fewer than 2 samples are of a class or mode."
        in text
    )
    row = rows_of(tmp_path / "comparisons/g/table.csv")[0]
    assert (row["precision"], row["chi_square_p"], row["reverse_kl"], row["coverage"]) == (
        "",
        "",
        "",
        "0.0",
    )


def test_what_was_interrupted_is_marked_in_tables_and_exports(tmp_path):
    fake_run(tmp_path / "whole", epochs=4)
    fake_run(tmp_path / "part", epochs=30, status="interrupted", device="CPU: X, 2 threads")
    done = call("evaluate", "-m", "whole", "part", "--results-dir", tmp_path)
    assert (
        "4 of 30, interrupted" in done.stdout
        and "part was interrupted after 4 epochs" in done.stdout
    )
    rows = rows_of(tmp_path / "comparisons/whole,part/table.csv")
    assert [(row["status"], row["epochs_trained"]) for row in rows] == [
        ("complete", "4"),
        ("interrupted", "4"),
    ]
    for kind in ("markdown", "latex"):
        exported = call(
            "evaluate", "-m", "whole", "part", "--results-dir", tmp_path, "--export", kind
        ).stdout
        assert (
            re.search(r" 30 .* 4 of 30, interrupted .*2 threads", exported)
            and "device=" not in exported
        )
    done = call("evaluate", "--diff", "whole", "part", "--results-dir", tmp_path)
    assert re.search(r"epochs trained +│ 4 +│ 4 of 30", done.stdout)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("0.1135", "inside"),
        ("0.1136", "above"),
        ("0.1134", "below"),
        ("0.11351", "above"),
        ("0.1", "inside"),
    ],
)
def test_a_published_figure_may_be_rounded(text, place):
    """The interval is a single point where all runs end alike."""
    assert place_of(Decimal(text), 0.113500001, 0.113500001) == place


def test_a_published_figure_of_zero_is_a_figure(tmp_path):
    fake_run(tmp_path / "one")
    groups, _ = collect(tmp_path, "one")
    published = Published({"one": {"loss": Decimal("0")}}, {})
    _, rows, _ = tables.published_table(groups, published, verdicts_of(groups, published))
    assert rows[0]["loss while learning"] == "0"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "found nothing"),
        (b"hidden,colour\n1,2\n", "found hidden, colour"),
        (b"loss,val_loss\n1,2\n", "found loss, val_loss"),
        (b'hidden,loss\n"7,8",2\n', "none of its rows"),
        (b'hidden,loss\n"20,20",high\n', "line 2"),
        (b'hidden,loss\n"20,20",nan\n', "sensible size"),
        (b'hidden,loss\n"20,20",1e400\n', "sensible size"),
        (b'hidden,loss\n"20,20",0e400\n', "sensible size"),
        (b'hidden,loss\n"20,20",1\n"20,20",2\n', "lines 2 and 3 are both of hidden=20,20"),
        (b'hidden,loss\n"20,20",\n', "none of its rows"),
        (b"hidden,loss\nmany,1\n", "line 2"),
        (
            b'hidden,val_accuracy\n"20,20",-0.1\n',
            "published.csv, line 2, column val_accuracy: expected an accuracy from 0 to 1",
        ),
        (
            b'hidden,accuracy\n"7,7",0.9\n\n"20,20",1.01\n',
            "line 4, column accuracy: expected an accuracy from 0 to 1",
        ),
        (
            b'hidden,val-loss\n"20,20",-1e-9\n',
            "line 2, column val_loss: expected a number of sensible size that is not below 0",
        ),
        (
            b'hidden,parameters,loss\n"20,20",1.5,1\n',
            "line 2, column parameters: expected a whole number",
        ),
        (b'hidden,parameters,loss\n"20,20",-3,1\n', "line 2, column parameters: expected"),
        (
            b'hidden,loss\n"20,20",sNaN\n',
            "line 2, column loss: expected a number of sensible size, got 'sNaN'",
        ),
        (
            b'hidden,loss\n"7,7",1\n"20,20",1\n"7, 7",1\n',
            "lines 2 and 4 have the same hidden: remove one of them",
        ),
        (b"epoch,loss\n0,1\n", "line 2, column epoch: epochs must be a whole number from 1"),
        (b"epoch,loss\n1.5,1\n", "line 2"),
        (b"epoch,loss\n1,1\n1,1\n", "lines 2 and 3 are both of epoch 1 of hidden=20,20"),
        (b"epoch,loss\n9,1\n", "none of its epochs"),
        (b"\xff\xfe\x00", "not readable"),
        (None, "No such file"),
    ],
)
def test_published_files_that_do_not_fit(content, said, sweep, tmp_path):
    path = tmp_path / "published.csv"
    if content is not None:
        path.write_bytes(content)
    done = call("evaluate", "-m", "wide", "--results-dir", sweep, "--published", path)
    assert_refused(done, said)
    assert not (sweep / "comparisons").exists()


def test_different_data_are_compared_with_a_warning_in_table_and_figure(sweep):
    fake_run(sweep / "other", sha256="b", name="fashion_mnist")
    compare_runs(sweep, runs.named(sweep, ["wide", "other"]), sweep / "both", View())
    warned = (
        "wide (mnist, 60,000 training images, hash a), "
        "other (fashion_mnist, 60,000 training images, hash b)"
    )
    drawn = (sweep / "both" / "learning_curves.svg").read_text()
    title = " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", drawn))
    assert warned in (sweep / "both" / "table.md").read_text() and warned in title


def timed_run(folder, epoch_seconds, *, start_seconds=None, **given):
    """A run whose epochs took so long."""
    fake_run(folder, **given)
    lists = dict.fromkeys(
        ("loss", "accuracy", "val_loss", "val_accuracy"), [0.5] * len(epoch_seconds)
    )
    known = {} if start_seconds is None else {"start_seconds": start_seconds}
    change_history(
        folder, epoch_seconds=epoch_seconds, saved_epoch=len(epoch_seconds), **lists, **known
    )


def test_two_devices_give_a_speed_up(tmp_path):
    for net in ("dense", "conv"):
        timed_run(
            tmp_path / f"d/net={net}/device=gpu/seed=0",
            [3.0, 0.05, 0.05, 0.1],
            net=net,
            device="GPU: Y",
        )
        timed_run(
            tmp_path / f"d/net={net}/device=cpu/seed=0",
            [1.5, 0.25, 0.2, 0.3],
            net=net,
            device="CPU: X",
        )
    title, rows, notes = speed_table(collect(tmp_path, "d")[0])
    assert [(row["setting"], row["device"]) for row in rows] == [
        *(
            ("conv", "CPU: X"),
            ("conv", "GPU: Y"),
            ("dense 200-100", "CPU: X"),
            ("dense 200-100", "GPU: Y"),
        )
    ]
    # The quartiles of 0.2, 0.25 and 0.3 are 0.225 and 0.275; those of 0.05, 0.05 and 0.1 are 0.05
    # and 0.075.
    expected = {
        "first": "1.5",
        "compiling": "1.25",
        "later": "0.25",
        "spread": "20.0%",
        "speed-up": "1",
    }
    assert expected.items() <= rows[0].items() and "start" not in rows[0]
    expected = {
        "first": "3",
        "compiling": "2.95",
        "later": "0.05",
        "spread": "50.0%",
        "speed-up": "5.00",
    }
    assert expected.items() <= rows[1].items() and title == tables.DEVICES
    assert "Single runs: --repeats 5 gives an interval." in notes
    assert notes[-1].startswith(
        "Warning: the spread is over 10% (conv on CPU: X: 20%; conv on GPU: Y: 50%; "
    )


def test_threads_are_devices_and_repeats_give_an_interval(tmp_path):
    seconds = {
        1: ([0.40, 0.41], [0.40, 0.40], [0.44, 0.44]),
        2: ([0.20, 0.20], [0.21, 0.21], [0.22, 0.22]),
    }
    seconds[10] = ([0.1, 0.1], [0.1, 0.1], [0.1, 0.1])
    for threads, several in seconds.items():
        for seed, later in enumerate(several):
            name = f"t/threads={threads}/seed={seed}"
            about = {
                "device": f"CPU: X, {threads} thread{'s' if threads > 1 else ''}",
                "compiled": seed == 0,
            }
            timed_run(
                tmp_path / name,
                [1.0 + seed, *later],
                seed=seed,
                threads=threads,
                **about,
                start_seconds=3.5,
            )
    _, rows, notes = speed_table(collect(tmp_path, "t")[0])
    assert [row["device"] for row in rows] == ["1 thread", "2 threads", "10 threads"]
    # Of the three runs of a device only the first was compiled.
    assert [(row["start"], row["first"], row["compiling"]) for row in rows[:2]] == [
        ("3.5", "1", "0.595"),
        ("3.5", "1", "0.8"),
    ]
    assert [row["later"] for row in rows] == ["0.405", "0.21", "0.1"]
    interval = stats.t.interval(
        0.95, 2, loc=(logs := np.log([2.025, 0.4 / 0.21, 2.0])).mean(), scale=stats.sem(logs)
    )
    ratio, low, high = np.exp([logs.mean(), *interval])
    assert rows[1]["speed-up"] == f"{ratio:.2f} ({low:.2f} to {high:.2f})"
    assert {"Setting: dense 200-100.", "Device: CPU: X."} <= set(notes) and not any(
        "Warning" in note for note in notes
    )
    assert not any("--repeats" in note for note in notes)
    compare_runs(tmp_path, runs.named(tmp_path, ["t"]), tmp_path / "c", View())
    assert "## Seconds by device" in (tmp_path / "c" / "table.md").read_text()
    first, second, _ = rows_of(tmp_path / "c" / "table.csv")
    assert (first["speed_up"], first["speed_up_low"], float(second["speed_up"])) == (
        "1.0",
        "",
        pytest.approx(ratio),
    )
    assert [float(second[f"speed_up_{end}"]) for end in ("low", "high")] == pytest.approx(
        [low, high]
    )
    assert (
        float(second["compiling_seconds"]) == pytest.approx(0.8)
        and second["start_seconds"] == "3.5"
    )


def test_a_table_of_devices_says_what_it_does_not_know(tmp_path):
    timed_run(
        tmp_path / "a/seed=0", [1.0], device="CPU: X"
    )  # one epoch: nothing is known of later ones
    timed_run(tmp_path / "b/seed=0", [1.0, 0.2, 0.2], device="GPU: Y", compiled=False)
    timed_run(tmp_path / "c/seed=1", [1.0, 0.1, 0.1], seed=1, device="TPU: Z")
    rows = speed_table(collect(tmp_path, "a", "b", "c")[0]).rows
    assert [row["compiling"] for row in rows] == ["-", "-", "0.9"] and [
        row["speed-up"] for row in rows
    ] == ["1", "-", "-"]
    rows = speed_table(collect(tmp_path, "b", "c")[0]).rows  # of different seeds
    assert [row["speed-up"] for row in rows] == ["1", "2.00"]
    timed_run(tmp_path / "d", [1.0, 0.1], device="CPU: X", epochs=500)
    assert (
        speed_table(collect(tmp_path, "a", "d")[0]) is None
        and speed_table(collect(tmp_path, "b", "d")[0]) is None
    )


def test_times_that_nobody_measured_do_no_harm(tmp_path):
    device = "9" * 1990
    for seed in range(2):
        timed_run(
            tmp_path / f"a/seed={seed}",
            [1e99, 1e99],
            device=f"CPU: {device}",
            seed=seed,
            start_seconds=-1.0,
        )
        timed_run(
            tmp_path / f"b/seed={seed}",
            [5e-324, 5e-324 if seed else 1e99],
            device="GPU: Y",
            seed=seed,
        )
    rows = speed_table(collect(tmp_path, "a", "b")[0]).rows
    assert [row["speed-up"].partition(" (")[0] for row in rows] == [
        "1",
        "1.42e+211",
    ]  # sqrt(1e99 / 5e-324)


def test_the_table_of_devices_is_readable_in_80_columns(tmp_path, monkeypatch):
    for threads in (1, 2):
        for seed in range(2):
            device = f"CPU: AMD EPYC 9654 96-Core Processor, {threads} threads"
            about = {"device": device, "start_seconds": 12.34, "threads": threads, "seed": seed}
            timed_run(
                tmp_path / f"t/threads={threads}/seed={seed}",
                [12.34, 1.234 + seed / 10, 1.234],
                **about,
            )
    monkeypatch.setenv("COLUMNS", "80")
    done = call("evaluate", "-m", "t", "--results-dir", tmp_path)
    _, _, table = done.stdout.partition(tables.DEVICES)
    heading = next(line for line in table.splitlines() if "┃" in line)
    assert [part.strip() for part in heading.strip("┃").split("┃")] == [
        *("device", "start", "first", "compiling", "later", "spread", "speed-up")
    ]
    assert max(len(line) for line in done.stdout.splitlines() if str(tmp_path) not in line) <= 80


def test_trends_over_numbers(tmp_path):
    for strength in (0, 1e-4, 1e-2):
        for net in ("dense", "conv"):
            name = f"t/net={net}/regularizer-strength={strength}"
            for seed in range(2):
                fake_run(
                    tmp_path / name / f"seed={seed}",
                    0.9 + seed / 100,
                    net=net,
                    regularizer_strength=strength,
                    seed=seed,
                )
    groups, _ = collect(tmp_path, "t")
    ((label, logarithmic),), points = trend(groups)
    assert list(points) == ["net=conv", "net=dense"] and "λ" in label and logarithmic
    assert points["net=dense"]["x"][0].tolist() == [0, 1e-4, 1e-2]
    mean, half_width = points["net=dense"]["val_accuracy"]
    assert mean == pytest.approx([0.905] * 3) and half_width == pytest.approx(
        [0.0635] * 3, abs=1e-4
    )
    assert charts.trend_of(collect(tmp_path, "t/net=conv/regularizer-strength=0")[0]) is None


def test_no_trend_over_a_number_that_only_follows_from_another_setting(tmp_path):
    for optimizer in ("adam", "sgd"):  # whose learning rates differ
        for hidden in ((10,), (20,)):
            settings = {"optimizer": optimizer, "hidden": hidden}
            fake_run(tmp_path / f"all/optimizer={optimizer}/hidden={hidden[0]}/seed=0", **settings)
    ((label, _),), points = trend(collect(tmp_path, "all")[0])
    assert label == "parameters" and {name: len(one["x"][0]) for name, one in points.items()} == {
        "optimizer=adam": 2,
        "optimizer=sgd": 2,
    }


@pytest.mark.processes
def test_63_runs_are_compared_without_tensorflow(tmp_path):
    for hidden in range(10, 31):
        for seed in range(3):
            fake_run(
                tmp_path / f"many/hidden={hidden}/seed={seed}",
                0.9 + hidden / 1000,
                hidden=(hidden,),
                seed=seed,
            )
    for what in (("-m", "many"), ("--report",)):
        done, imported = imported_by("evaluate", *what, "--results-dir", tmp_path)
        assert done.returncode == 0 and not imported & {"tensorflow", "keras", "distributed"}
    assert (
        len(rows_of(tmp_path / "comparisons/many/table.csv")) == 21
        and (tmp_path / "report.html").exists()
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["-m", "wide", "nowhere"], "no run at"),
        (["-m", "x*"], "like 'x*'"),
        (["-m", "wide", "w**"], "not a pattern"),
        (["-m", "wide", "--images", "a.png"], "--images"),
        (["-m", "wide", "--label", "../x"], "not a run's name"),
        (["-m", "wide", "--published", "/"], "directory"),
    ],
)
def test_bad_flags_of_a_comparison(flags, said, sweep):
    done = call("evaluate", *flags, "--results-dir", sweep)
    assert_refused(done, said)
    assert not (sweep / "comparisons").exists()


def test_a_broken_history_is_named_and_left_as_it_is(sweep):
    path = sweep / "wide/hidden=20,20/seed=1/history.json"
    path.write_text("{")
    assert_refused(call("evaluate", "-m", "wide", "--results-dir", sweep), str(path))
    assert path.read_text() == "{"


def test_runs_beside_each_other_that_differ_in_more_than_the_seed_are_not_averaged(sweep):
    fake_run(sweep / "wide/hidden=20,20/seed=3", hidden=(20, 20), seed=3, epochs=500)
    with pytest.raises(UserError, match=r"more than their seed \(epochs\)"):
        collect(sweep, "wide")
    for seed in (1, 2):  # two runs that only happen to be called so
        fake_run(sweep / f"seed={seed}", hidden=(seed,))
    assert [group.name for group in collect(sweep, "seed=1", "seed=2")[0]] == [
        "seed=1: hidden=1",
        "seed=2: hidden=2",
    ]


def test_gans_of_other_defaults_are_not_averaged_and_typed_defaults_are(tmp_path):
    """A GAN's defaults were once stored as None: runs from before and after a change of them
    counted as repeats.
    """
    gan_lists = ("generator_loss", "discriminator_loss", "generated_accuracy", "real_accuracy")
    for seed, typed in enumerate(
        [{}, {"learning_rate": 1e-3, "latent": "normal", "betas": (0.5, 0.999)}]
    ):
        fake_run(
            tmp_path / f"g/seed={seed}", net="gan-dense", seed=seed, steps_per_epoch=468, **typed
        )
        change_history(tmp_path / f"g/seed={seed}", **dict.fromkeys(gan_lists, [1.0] * 4))
    assert [len(group.runs) for group in collect(tmp_path, "g")[0]] == [2]
    path = tmp_path / "g/seed=1/config.json"
    record = json.loads(path.read_text())
    record["settings"]["learning_rate"] = 2e-4
    write_json(path, record)
    with pytest.raises(UserError, match=r"more than their seed \(learning_rate\)"):
        collect(tmp_path, "g")


def test_every_group_has_a_name_in_table_and_legend(sweep):
    for name, seed in (("x/seed=0", 0), ("x/seed=1", 1), ("x/one", 0), ("_y", 0)):
        fake_run(sweep / name, seed=seed)
    groups, _ = collect(sweep, "x", "_y")
    figure = figures.learning_curves(
        {"": {group.name: (group.curves(), {}) for group in groups}}, "t"
    )
    names = {"x: seed=0-1", "x/one: usual", "_y: usual"}
    assert (
        {group.name for group in groups}
        == names
        < {text.get_text() for text in figure.legends[0].get_texts()}
    )
    assert {group.name for group in collect(sweep, "x")[0]} == {"x: seed=0-1", "one: seed=0"}


@pytest.mark.processes
def test_a_pattern_in_the_first_place_and_a_terminal_without_the_signs(sweep):
    done = script(
        "evaluate",
        "-m",
        "w*",
        "--results-dir",
        sweep,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
    )
    assert done.returncode == 0 and "0.9433 ? 0.0379" in done.stdout


def test_labels_are_plain_and_short():
    assert comparison.label_of(["hidden-units"]) == "hidden-units"
    assert comparison.label_of(["a", "b/c=1,2"]) == "a,b-c=1-2"
    assert len(comparison.label_of([f"a-long-name-{index}" for index in range(40)])) < 90
    assert comparison.label_of(["*"]) == "all"


def test_the_curve_of_a_setting_with_one_run_is_that_runs_own(tmp_path):
    setting = tmp_path / "s" / "hidden=9"
    fake_run(setting / "seed=0", hidden=(9,))
    (setting / "seed=0" / "learning_curve.png").write_bytes(b"its own")
    paths = report_sweep(tmp_path, tmp_path / "s")
    assert paths == [setting / "learning_curve.png"] and paths[0].read_bytes() == b"its own"
    fake_run(setting / "seed=1", hidden=(9,), seed=1)
    report_sweep(tmp_path, tmp_path / "s")
    with Image.open(paths[0]) as image:  # of both, drawn
        assert image.width > 500
    shutil.rmtree(setting / "seed=1")
    (setting / "seed=0" / "learning_curve.png").unlink()
    report_sweep(tmp_path, tmp_path / "s")
    assert Image.open(paths[0]).width > 500


EXAMPLES = "mnist (60,000 training, 10,000 validation examples)"


@pytest.mark.parametrize(
    ("changes", "shared"),
    [
        (
            {},
            f"{EXAMPLES}, 4 epochs, batch size 128, 1 run each, CPU: X, 1 thread",
        ),
        (
            {"epochs": 20},
            f"{EXAMPLES}, batch size 128, 1 run each, CPU: X, 1 thread",
        ),
        (
            {"batch_size": 32},
            f"{EXAMPLES}, 4 epochs, 1 run each, CPU: X, 1 thread",
        ),
        ({"sha256": "b"}, "4 epochs, batch size 128, 1 run each, CPU: X, 1 thread"),
        (
            {"device": "CPU: X, 4 threads"},
            f"{EXAMPLES}, 4 epochs, batch size 128, 1 run each, CPU: X, 1 thread or 4 threads",
        ),
        (
            {"device": "CPU: Y, 4 threads"},
            f"{EXAMPLES}, 4 epochs, batch size 128, 1 run each, CPU",
        ),
        (
            {"device": "GPU: Y"},
            f"{EXAMPLES}, 4 epochs, batch size 128, 1 run each",
        ),
    ],
)
def test_tables_and_figures_say_what_all_their_rows_share(changes, shared, tmp_path, capsys):
    fake_run(tmp_path / "a", hidden=(30,), epochs=4)
    fake_run(tmp_path / "b", hidden=(20,), **{"epochs": 4} | changes)
    found = comparison.compare(*collect(tmp_path, "a", "b"))
    assert all(table.notes[0] == f"All rows: {shared}." for table in found.tables)
    assert found.captions[0] == shared
    comparison.export(tmp_path, runs.named(tmp_path, ["a", "b"]), View(), "latex")
    assert f"All rows: {shared}." in capsys.readouterr().err


def test_repeats_are_counted_in_what_rows_share(sweep):
    assert ", 1 to 3 runs each, " in comparison.compare(*collect(sweep, "*")).captions[0]
    assert ", 3 runs each, " in comparison.compare(*collect(sweep, "wide")).captions[0]


def test_what_stopped_early_says_up_to_how_many_epochs_and_a_table_of_some_rows_speaks_of_these(
    sweep,
):
    assert ", up to 10 epochs, " in comparison.compare(*collect(sweep, "wide")).captions[0]
    found = comparison.compare(*collect(sweep, "*"), View(top=1, sort="val_loss"))
    assert (
        all(", 3 runs each, " in table.notes[0] for table in found.tables)
        and ", 3 runs each, " in found.captions[0]
    )


def test_a_table_of_an_interrupted_run_is_no_figure_to_be_held_against(tmp_path, sweep):
    for seed in range(2):
        fake_run(
            tmp_path / f"half/seed={seed}", 0.5, status="interrupted", hidden=(20, 20), seed=seed
        )
    found = comparison.compare(*collect(sweep, "half"))
    (tmp_path / "half.csv").write_text(tables_text.as_csv(found.numbers))
    held = comparison.compare(*collect(sweep, "wide"), View(str(tmp_path / "half.csv")))
    notes = [note for table in held.tables for note in table.notes]
    assert any("No verdict on figures published with epochs interrupted" in note for note in notes)
    assert not any("lie inside" in note for note in notes)


def test_a_column_that_is_not_read_is_named(tmp_path, sweep):
    (tmp_path / "p.csv").write_text('hidden,optimiser,val_accuracy\n"20,20",sgd,0.94\n')
    tables_of_both = comparison.compare(
        *collect(sweep, "wide"), View(str(tmp_path / "p.csv"))
    ).tables
    assert any("the columns optimiser" in note for table in tables_of_both for note in table.notes)


def test_what_was_not_repeated_is_not_tested_and_that_is_said(sweep):
    notes = comparison.compare(*collect(sweep, "*")).tables[0].notes
    assert "Tested are the 2 of 3 rows that were repeated and not interrupted." in notes


def test_settings_in_two_folders_are_two_lines_and_no_cause(tmp_path):
    for folder in "ab":
        for rate in (1e-3, 2e-3):
            for seed in range(2):
                name = tmp_path / f"{folder}/learning-rate={rate:g}/seed={seed}"
                fake_run(name, 0.9 + rate + seed / 100, learning_rate=rate, seed=seed)
    groups, _ = collect(tmp_path, "*")
    _, series = trend(groups)
    assert [*series] == ["run=a", "run=b"]
    spread = [
        note for note in comparison.compare(groups).tables[0].notes if "Of the spread" in note
    ]
    assert all("only together" not in note for note in spread)


def test_an_interrupted_run_is_marked_and_drawn_where_it_got_to(tmp_path):
    for epochs in (10, 30, 90):
        fake_run(
            tmp_path / f"s/epochs={epochs}",
            0.9,
            status="interrupted" if epochs == 30 else "complete",
            epochs=epochs,
        )
    groups, _ = collect(tmp_path, "s")
    found = comparison.compare(groups)
    assert [*found.charts["learning_curves.png"]["panels"][""]] == [
        "epochs=10",
        "epochs=30 (interrupted: 4 of 30 epochs)",
        "epochs=90",
    ]
    assert "Interrupted: epochs=30 (4 of 30 epochs)." in found.captions
    series = found.charts["trend.png"]["series"]
    (points,) = series.values()
    assert dict(zip(points["x"][0], points["interrupted"])) == {10: False, 4: True, 90: False}
    many = [replace(group, name=f"{index}") for index, group in enumerate(groups * 5)]
    labels = [label for panel in charts.panels_of(many)["panels"].values() for label in panel]
    assert (
        len(labels) == 15 and sum("(interrupted: 4 of 30 epochs)" in label for label in labels) == 5
    )
