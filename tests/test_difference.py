"""What differs between runs, at a glance: names of settings, tables in narrow terminals, --diff,
--export, --sort and --top.
"""

import csv
import io
import json
import re
import zlib

import numpy as np
import pytest
from markdown_it import MarkdownIt  # rich's own
from PIL import Image
from scipy import stats

import models
from lab import comparison, console
from lab.comparison import charts, tables, text
from lab.metrics.cells import cell
from lab.runs import write_json
from lab.settings import UserError
from tests.conftest import assert_refused, call
from tests.helpers import change_history, collect, fake_run, imported_by, rows_of, trend


@pytest.fixture
def students(tmp_path):
    """Five runs of five people, each with ideas of their own."""
    fake_run(tmp_path / "alice", 0.97)
    fake_run(tmp_path / "bob", 0.98, net="conv")
    fake_run(tmp_path / "carol", 0.96, learning_rate=0.01, batch_size=64)
    fake_run(tmp_path / "dave", 0.965, dropout=0.5, epochs=20)
    fake_run(tmp_path / "erin", 0.966, seed=1, holdout=500, sha256="b")
    return tmp_path


DIFFERENCES = {
    "alice": "usual",
    "bob": "net=conv",
    "carol": "learning-rate=0.01, batch-size=64",
    "dave": "dropout=0.5, epochs=20",
    "erin": "holdout=500, seed=1",
}


@pytest.mark.parametrize("columns", [80, 160])
def test_a_table_names_each_difference_and_every_metric(columns, students, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    done = call("evaluate", "-m", *DIFFERENCES, "--results-dir", students)
    assert done.returncode == 0, done.stderr
    assert (
        max(len(line) for line in done.stdout.splitlines() if str(students) not in line) <= columns
    )  # but for a path
    cells = {}
    for line in re.findall(r"^│ (\w*) +│ (.*?) +│", done.stdout, re.M):
        cells.setdefault(line[0] or list(cells)[-1], []).append(line[1])
    for name, words in DIFFERENCES.items():
        assert words in " ".join(dict.fromkeys(cells[name]))
    for metric in (
        "val. accuracy",
        "val. loss",
        " accuracy",
        " loss",
        "parameters",
        "epochs to 0.95",
        "s / epoch",
    ):
        assert metric in done.stdout
    text = " ".join(done.stdout.split())
    usual = (
        "net=dense, dropout=0, learning-rate=0.001, batch-size=128, epochs=10, holdout=0, seed=0"
    )
    assert f"Usual here: {usual};" in text
    assert (
        "alice; bob; carol; dave (mnist, 60,000 training images, hash a), erin (mnist --holdout 500"
        in text
    )


def test_every_setting_is_in_the_table_for_spreadsheets(students):
    call("evaluate", "-m", *DIFFERENCES, "--results-dir", students, "--label", "all")
    rows = rows_of(students / "comparisons/all/table.csv")
    assert [(row["net"], row["seeds"], row["holdout"], row["optimizer"]) for row in rows][::4] == [
        ("dense", "0", "0", "adam"),
        ("dense", "1", "500", "adam"),
    ]
    assert not (
        students / "comparisons/all/trend.png"
    ).exists()  # no two of them differ in a number alone


def test_what_follows_from_another_setting_is_no_difference_of_its_own(tmp_path):
    fake_run(tmp_path / "a")
    fake_run(tmp_path / "b", optimizer="sgd")  # whose learning rate is another
    fake_run(tmp_path / "c", net="conv")  # which has no hidden units to choose
    assert [group.name for group in collect(tmp_path, "a", "b", "c")[0]] == [
        "a: usual",
        "b: optimizer=sgd",
        "c: net=conv",
    ]
    fake_run(tmp_path / "d", device="GPU: Y")
    fake_run(tmp_path / "e", threads=1)  # the same device as that of "a", whatever was typed
    assert [
        row["setting"] for row in tables.runs_table(collect(tmp_path, "a", "d")[0], "t", []).rows
    ][1] == "GPU"
    assert [group.name for group in collect(tmp_path, "a", "e")[0]] == ["a", "e"]
    fake_run(
        tmp_path / "g", device="CPU: X, 2 threads"
    )  # as a run alone has them, and one of a sweep has not
    _, rows, notes = comparison.compare(*collect(tmp_path, "a", "g")).tables[0]
    assert [(row["run"], row["device"]) for row in rows] == [("a", "1 thread"), ("g", "2 threads")]
    assert "CPU: X, 1 thread or 2 threads." in notes[0]
    fake_run(tmp_path / "f", sha256="another")  # of the same name
    assert [group.name for group in collect(tmp_path, "a", "f")[0]] == [
        "a: data=a",
        "f: data=another",
    ]


def test_rows_are_sorted_and_cut_as_asked(students):
    done = call(
        "evaluate",
        "-m",
        *DIFFERENCES,
        "--results-dir",
        students,
        "--sort",
        "val-accuracy",
        "--top",
        "2",
    )
    assert (
        re.findall(r"^│ (\w+) ", done.stdout, re.M)[:2] == ["bob", "alice"]
        and "│ carol" not in done.stdout
    )
    assert "The first 2 of 5 by val. accuracy; table.csv has all." in done.stdout
    groups, _ = collect(students, *DIFFERENCES)
    assert [group.run for group in tables.in_order(groups, "val_loss")] == [
        "bob",
        "alice",
        "erin",
        "dave",
        "carol",
    ]
    assert tables.in_order(groups, "parameters")[0].run == "bob"
    assert [group.run for group in tables.in_order(groups, "epochs_to_0.97")][:2] == [
        "bob",
        "alice",
    ]  # the others: never
    assert tables.in_order(groups, "learning_rate")[-1].run == "carol"


def test_small_counts_are_listed_and_the_first_epoch_is_no_interval(tmp_path):
    for seed, curve in enumerate(
        ([0.96, 0.97, 0.98, 0.98], [0.9, 0.96, 0.98, 0.98], [0.1, 0.2, 0.3, 0.4])
    ):
        fake_run(tmp_path / f"r/seed={seed}", seed=seed)
        change_history(tmp_path / f"r/seed={seed}", val_accuracy=curve)
    (group,), _ = collect(tmp_path, "r")
    assert cell("epochs_to_0.95", group.measures["epochs_to_0.95"]) == "≤ 1, 1.8, never"
    assert (
        cell("epochs_to_0.95", np.ones(3)) == "≤ 1"
        and cell("modes", np.array([6, 1, 8])) == "6, 1, 8"
    )
    assert cell("near", np.array([0.5, 0.01, 0.47] * 2)) == "0.010 to 0.500"
    assert cell("chi_square_p", np.array([1e-20, 0.25])) == "< 0.001, 0.250"


def test_a_table_too_wide_continues_below(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "40")
    rows = [
        {"setting": "net=conv, dropout=0.5", **{f"number {place}": "0.1234" for place in range(6)}}
    ]
    console.table(rows, "T", left=("setting",))
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 40 and printed.count("setting") > 1
    assert all(f"number {place}" in printed for place in range(6)) and printed.count("0.1234") == 6


def test_a_column_of_words_takes_the_room_that_its_neighbour_leaves(monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "100")
    row = {"run": "decay", "setting": "regularizer-strength=0.0001"}
    row |= {f"number {place}": "0.9876 ± 0.0012" for place in range(8)}
    console.table([row], left=("run", "setting"))
    lines = capsys.readouterr().out.splitlines()
    assert sum("│ decay │ regularizer-strength=0.0001 │" in line for line in lines) == 3
    assert max(map(len, lines)) <= 100


@pytest.fixture
def pair(tmp_path):
    for strength, lasts in ((0, (0.96, 0.97, 0.98)), (1e-3, (0.93, 0.94, 0.96))):
        for seed, last in enumerate(lasts):
            name = f"decay/regularizer-strength={strength}/seed={seed}"
            fake_run(tmp_path / name, last, regularizer_strength=float(strength), seed=seed)
    fake_run(tmp_path / "alone", 0.9, device="GPU: Y")
    fake_run(tmp_path / "gan", net="gan-dense", steps_per_epoch=468)
    names = ("generator_loss", "discriminator_loss", "generated_accuracy", "real_accuracy")
    change_history(tmp_path / "gan", **{name: [1.0] * 4 for name in names})
    return tmp_path


def test_diff_says_what_differs_and_whether_it_is_noise(pair, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    one, other = "decay/regularizer-strength=0", "decay/regularizer-strength=0.001"
    done = call("evaluate", "--diff", one, other, "--results-dir", pair)
    assert done.returncode == 0 and max(map(len, done.stdout.splitlines())) <= 80
    assert re.search(r"│ regularizer-strength │ 0 +│ 0.001 ", done.stdout)
    expected = stats.ttest_ind([0.93, 0.94, 0.96], [0.96, 0.97, 0.98], equal_var=False)
    low, high = expected.confidence_interval()
    assert re.search(r"│ val. accuracy .* 0\.9700 ± 0\.0248 │ +0\.9433 ± 0\.0379 │", done.stdout)
    interval = re.escape(f"{low:+.2g} to {high:+.2g}")
    assert re.search(
        rf"│ val. accuracy +│ +-0\.027 │ +noise │ +{interval} │ +{expected.pvalue:.2g} │",
        done.stdout,
    )
    done = call("evaluate", "--diff", one, "alone", "--results-dir", pair)
    assert re.search(
        r"│ device +│ CPU: X, 1 thread +│ GPU: Y", done.stdout
    )  # whole, as there is room
    assert (
        re.search(r"│ val. accuracy +│ +differs │ 0\.0\d+ │", done.stdout)
        and "prediction interval" in done.stdout
    )
    done = call("evaluate", "--diff", "alone", "alone", "--results-dir", pair)
    assert "Nothing differs" in done.stdout and "One run each" in done.stdout


OF_CLASSIFIERS = {"val. loss", "loss while learning"}


@pytest.mark.parametrize(
    ("mine", "its", "apart"),
    [
        ({}, {"regularizer_strength": 1e-4}, OF_CLASSIFIERS),
        (
            {"regularizer_strength": 1e-4},
            {"regularizer_strength": 1e-4, "regularizer": "l1"},
            OF_CLASSIFIERS,
        ),
        ({}, {"label_smoothing": 0.1}, OF_CLASSIFIERS),
        ({"dropout": 0.5}, {"regularizer": "l1", "batch_norm": True, "shift": 1}, set()),
        (
            {"net": "gan-dense"},
            {"net": "gan-dense", "generator_loss": "saturating"},
            {"generator loss"},
        ),
        ({"net": "gan-dense"}, {"net": "gan-dense", "unroll": 5}, {"generator loss"}),
        (
            {"net": "gan-dense"},
            {"net": "gan-dense", "label_smoothing": 0.1},
            {"discriminator loss"},
        ),
        (
            {"net": "a.py:f", "source": "add_loss"},
            {"net": "a.py:f", "source": "Dense"},
            OF_CLASSIFIERS,
        ),
        ({"net": "a.py:f", "source": "Conv2D"}, {"net": "a.py:f", "source": "Dense"}, set()),
    ],
)
def test_losses_of_other_terms_are_not_judged(mine, its, apart, tmp_path):
    for name, settings in (("mine", mine), ("its", its)):
        for seed in range(3):
            fake_run(
                tmp_path / name / f"seed={seed}",
                0.9 + seed / 100 - (name == "its") / 5,
                seed=seed,
                **settings,
            )
            loss = [seed / 100 + (name == "its")] * 4
            losses = dict.fromkeys(("generator_loss", "discriminator_loss"), loss)
            accuracies = dict.fromkeys(("generated_accuracy", "real_accuracy"), [0.5] * 4)
            change_history(tmp_path / name / f"seed={seed}", **losses, **accuracies)
    done = call("evaluate", "--diff", "mine", "its", "--results-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    rows = re.findall(
        r"^│ (\S[^│]*?) +│[^│]*│[^│]*│ +- │ not the same │ +- │ +- │", done.stdout, re.M
    )
    assert {*rows} == apart
    assert (
        "Not the same: losses of other terms (A: cross-entropy" in " ".join(done.stdout.split())
    ) == bool(apart)
    warned = call("evaluate", "-m", "mine", "its", "--results-dir", tmp_path).stdout
    assert ("where these differ, losses do not compare" in " ".join(warned.split())) == bool(apart)


HOSTILE = [
    "a|b",
    "<script>x</script>",
    "`code`",
    "*bold*",
    "_x_",
    "[a](b)",
    "one\ntwo",
    "back\\slash",
    "&lt;",
    "a_b",
    "< 1",
]


def test_markdown_shows_cells_as_they_are():
    rows = [{"name": cell, cell: cell} for cell in HOSTILE]
    for row in rows:
        shown = MarkdownIt("commonmark").enable("table").parse(text.as_markdown([row]))
        cells = [
            "".join(part.content for part in token.children)
            for token in shown
            if token.type == "inline"
        ]
        assert cells == ["name", *[row["name"].replace("\n", " ")] * 3]
        assert all(
            part.type in ("text", "text_special")
            for token in shown
            for part in token.children or ()
        )


def test_latex_holds_no_bare_special_signs():
    exported = text.as_latex(
        [{"name": cell, "value": "[1]"} for cell in [*HOSTILE, "50% & $x$ #1 {a}^2 ~ --b", "*"]]
    )
    lines = exported.splitlines()
    assert len(lines) == 4 + len(HOSTILE) + 4 and all(
        line.count(" & ") == 1 and line.endswith(r" \\") for line in lines[4:-2]
    )
    assert (
        r"50\% \& \$x\$ \#1 \{a\}\^{}2 \textasciitilde{} -{}-b & {[}1{]}" in exported
        and "\n{*} & " in exported
    )


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        *(
            (bad, f"'{bad}")
            for bad in ("=1+1", "+x", "-x", "-", "@a", "\ta", "--1", "-1 -2", "+1e", "=")
        ),
        *((fine, fine) for fine in ("-1.5", "+2", "-1e-3", "-.5", "a=1", "'a", "", "1 -2")),
        *((number, str(number)) for number in (-0.5, 3)),
    ],
)
def test_no_cell_of_csv_is_a_formula_and_numbers_stay_numbers(cell, written):
    ((_, read),) = csv.reader(
        io.StringIO(text.as_csv([{"=a": 1, "b": cell}]).partition("\n")[2], newline="")
    )
    assert (
        read == written
        and text.as_written(read) == str(cell)
        and text.as_csv([{"=a": "\r1"}]) == "'=a\n'\r1"
    )


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--diff", "alone"], "--diff compares two"),
        (
            ["--diff", "alone", "gan"],
            "alone is a classifier, gan a GAN: they have no metric in common; name two of one kind",
        ),
        (
            ["--diff", "decay", "alone"],
            "decay holds 2 settings: name one of them, as decay/regularizer-strength=0",
        ),
        (["--diff", "alone", "nowhere"], "no run at"),
        (
            ["--diff", "alone", "alone", "--published", "x.csv"],
            "--diff does one thing, and goes without --published",
        ),
        (["--diff", "alone", "alone", "-m", "alone"], "not allowed with"),
        ([], "one of the arguments -m/--model-name --diff --report is required"),
        (["-m", "decay", "--top", "0"], "--top must be a whole number of at least 1, got 0"),
        (
            ["-m", "decay", "--sort", "val. accuracy"],
            "no column 'val. accuracy' (did you mean val_accuracy?)",
        ),
        (
            ["-m", "decay", "--sort", "s / epoch"],
            "no column 's / epoch' (did you mean epoch_seconds?)",
        ),
        (["-m", "decay", "--sort", "s/epoch"], "no column 's/epoch' (did you mean epoch_seconds?)"),
        (
            ["-m", "decay", "--sort", "Val Accuracy"],
            "no column 'Val Accuracy' (did you mean val_accuracy?)",
        ),
        (["-m", "decay", "--sort", ""], "no column ''; choose from setting, folder,"),
        (
            ["-m", "decay", "--sort", "val_acuracy"],
            "no column 'val_acuracy' (did you mean val_accuracy?)",
        ),
        (
            ["-m", "decay", "--sort", "colour"],
            "there is no column 'colour'; choose from setting, folder,",
        ),
        (
            ["-m", "decay", "--export", "csv", "--label", "x"],
            "--export does one thing, and goes without --label",
        ),
        (["-m", "decay", "--export", "html"], "invalid choice"),
        (["-m", "decay", "--strip", "0"], "seed=0 is a classifier; only GANs have samples to show"),
        (
            ["-m", "gan", "--strip", "0", "7"],
            "gan has no picture of epoch 7; it has those of 0, 2, 4, 10",
        ),
        (["-m", "gan", "--strip", "2"], "cannot be read"),
        (["-m", "gan", "--strip", "10"], "cannot be read"),
        (["-m", "gan", "--strip", "4"], "a picture of more than 4 million pixels"),
    ],
)
def test_bad_flags(flags, said, pair):
    (pair / "gan/samples").mkdir()
    huge = b"IHDR" + (7000).to_bytes(4, "big") * 2 + b"\x08\0\0\0\0"
    chunks = b"\0\0\0\r" + huge + zlib.crc32(huge).to_bytes(4, "big") + bytes(4) + b"IDAT"
    (pair / "gan/samples/epoch_0004.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    for epoch in (10, 0, 2):
        (pair / f"gan/samples/epoch_{epoch:04}.png").write_bytes(b"")
    header = (
        b"\x89PNG\r\n\x1a\n" + (4).to_bytes(4, "big") + b"IHDR\0\0\0\1"
    )  # too short for a width and a height
    (pair / "gan/samples/epoch_0010.png").write_bytes(
        header + zlib.crc32(header[12:]).to_bytes(4, "big")
    )
    assert_refused(call("evaluate", *flags, "--results-dir", pair), said)
    assert not (pair / "comparisons").exists()


def test_runs_that_are_not_finished_or_broken_have_no_difference(pair):
    change_history(pair / "alone", status="training")
    assert_refused(
        call("evaluate", "--diff", "alone", "gan", "--results-dir", pair), "nothing to compare"
    )
    (pair / "alone/config.json").write_text("{")
    assert_refused(call("evaluate", "--diff", "alone", "gan", "--results-dir", pair), "config.json")


@pytest.mark.parametrize(
    ("kind", "first", "cell"),
    [
        ("latex", r"\begin{tabular}{lrrrrrrrr}", r"0.001 & 0.9433 $\pm$ 0.0379 & "),
        (
            "markdown",
            "| regularizer-strength | val. accuracy   | ",
            "| 0.001                | 0.9433 ± 0.0379 | ",
        ),
        ("csv", "setting,folder,runs,seeds,net,", "regularizer-strength=0.001,"),
    ],
)
def test_the_table_alone_is_printed_to_be_pasted(kind, first, cell, pair):
    done = call("evaluate", "-m", "decay", "--export", kind, "--results-dir", pair)
    assert done.returncode == 0 and done.stdout.startswith(first) and f"\n{cell}" in done.stdout
    assert not (pair / "comparisons").exists()


@pytest.mark.processes
def test_a_difference_and_a_table_alone_need_neither_tensorflow_nor_matplotlib(pair):
    for flags in (
        ["--diff", "decay/regularizer-strength=0", "alone"],
        ["-m", "decay", "--export", "csv"],
    ):
        done, imported = imported_by("evaluate", *flags, "--results-dir", pair)
        assert done.returncode == 0 and not imported & {
            "tensorflow",
            "keras",
            "matplotlib",
            "statsmodels",
        }


def test_a_strip_shows_the_runs_below_each_other(pair):
    for seed in range(2):
        folder = pair / f"rings/seed={seed}"
        fake_run(folder, net="gan-dense", seed=seed, steps_per_epoch=468)
        change_history(folder, **{name: [1.0] * 4 for name in models.GAN.curves})
        (folder / "samples").mkdir()
        for epoch in (0, 1):
            Image.new("RGB", (40, 40), (100 * epoch, 0, 0)).save(
                folder / f"samples/epoch_{epoch:04}.png"
            )
    done = call("evaluate", "-m", "rings", "--strip", "1", "0", "--results-dir", pair)
    assert done.returncode == 0, done.stderr
    with Image.open(pair / "comparisons/rings/strip.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    red, black = (
        (np.abs(pixels - colour).max(axis=-1) == 0).sum() for colour in ([100, 0, 0], [0, 0, 0])
    )
    assert red > 50_000 and black > 50_000  # both epochs of both runs


def test_a_grid_tells_what_each_layer_does_and_which_are_as_good_as_the_best(tmp_path):
    draw = np.random.default_rng(0)
    for first in (10, 20, 40):
        for second in (5, 15):
            for seed in range(3):
                last = 0.9 + first / 1000 + draw.normal(0, 0.001)
                fake_run(
                    tmp_path / f"g/hidden={first},{second}/seed={seed}",
                    last,
                    hidden=(first, second),
                    seed=seed,
                )
    found = comparison.compare(*collect(tmp_path, "g"))
    spread = next(note for note in found.tables[0].notes if note.startswith("Of the spread"))
    assert re.search(r": first layer 9\d\.\d% \(p < 0\.001\), second layer \d\.\d% \(p = ", spread)
    (best,) = [note for note in found.tables[0].notes if note.startswith("Best")]
    assert re.search(
        r"Best val\. accuracy: hidden=40,\d+ \(0\.9[34].*Within noise of it, 1 of 5 others", best
    )
    axes, series = found.charts["trend.png"].values()
    assert [label for label, _ in axes] == ["units of the second hidden layer", "parameters"]
    assert list(series) == ["first layer=10", "first layer=20", "first layer=40"]
    assert [one["x"][0].tolist() for one in series.values()] == [[5, 15]] * 3


def test_many_curves_stand_in_panels_by_their_first_layer(tmp_path):
    for first in (10, 20, 40):
        for second in range(1, 6):
            fake_run(tmp_path / f"g/hidden={first},{second}", hidden=(first, second))
    panels = charts.panels_of(collect(tmp_path, "g")[0])["panels"]
    assert {title: list(members) for title, members in panels.items()} == {
        f"hidden={first},...": [f"hidden=...,{second}" for second in range(1, 6)]
        for first in (10, 20, 40)
    }
    for rate in range(1, 13):
        fake_run(tmp_path / f"r/learning-rate={rate / 1000}", learning_rate=rate / 1000)
    panels = charts.panels_of(collect(tmp_path, "r")[0])["panels"]
    assert [len(members) for members in panels.values()] == [5, 5, 2]


def test_a_trend_connects_only_what_differs_in_nothing_else(tmp_path):
    for strength in (0.0, 1e-4, 1e-2):
        fake_run(tmp_path / f"s/{strength}", regularizer_strength=strength)
    fake_run(tmp_path / "s/conv", net="conv", regularizer_strength=1e-3)
    ((label, _),), series = trend(collect(tmp_path, "s")[0])
    assert "λ" in label and [one["x"][0].tolist() for one in series.values()] == [[0, 1e-4, 1e-2]]
    fake_run(tmp_path / "other", regularizer_strength=1e-3, sha256="b")
    assert charts.trend_of(collect(tmp_path, "s", "other")[0]) is None


def test_an_older_commit_and_other_versions_are_told(pair):
    for name, commit, version in (
        ("alone", "a" * 40 + "-dirty", "3.14"),
        ("decay/regularizer-strength=0/seed=0", "b" * 40, "3.15"),
    ):
        path = pair / name / "config.json"
        write_json(
            path, json.loads(path.read_text()) | {"commit": commit, "versions": {"keras": version}}
        )
    done = call(
        "evaluate", "--diff", "alone", "decay/regularizer-strength=0/seed=0", "--results-dir", pair
    )
    assert re.search(r"│ commit +│ aaaaaaaaaa-dirty │ bbbbbbbbbb ", done.stdout)
    assert re.search(r"│ version of keras +│ 3\.14 +│ 3\.15 ", done.stdout)


def test_an_unknown_column_is_refused_before_anything_is_written(students):
    with pytest.raises(UserError, match="no column"):
        comparison.compare(*collect(students, *DIFFERENCES), comparison.View(sort="x"))


def test_runs_of_any_name_are_told_apart(tmp_path):
    fake_run(tmp_path / "a")
    fake_run(tmp_path / "eq=sign", hidden=(5,))
    fake_run(tmp_path / "run10", hidden=(6,))
    fake_run(tmp_path / "run2", hidden=(7,))
    groups, _ = collect(tmp_path, "a", "eq=sign", "run*")
    assert [group.run for group in groups] == ["a", "eq=sign", "run2", "run10"]
    assert [row["setting"] for row in tables.runs_table(groups, "t", []).rows] == [
        "200,100",
        "5",
        "7",
        "6",
    ]
    fake_run(tmp_path / "as-a")
    same, _ = collect(tmp_path, "a", "as-a")
    assert [*tables.runs_table(same, "t", []).rows[0]][:2] == ["run", "val. accuracy"]


def spread(folder, *names):
    return next(
        (
            note
            for note in comparison.compare(*collect(folder, *names)).tables[0].notes
            if "spread" in note
        ),
        None,
    )


def test_settings_that_go_together_are_one_and_repeats_have_their_own_share(tmp_path):
    draw = np.random.default_rng(1)
    cells = [(hidden, rate) for hidden in ((10, 5), (20, 10), (40, 20)) for rate in (1e-4, 1e-3)]
    for hidden, rate in cells[:5]:  # one is missing
        for seed in range(3):
            last = 0.9 + hidden[0] / 1000 + 10 * rate + draw.normal(0, 0.001)
            folder = tmp_path / f"g/hidden={hidden[0]},{hidden[1]}/learning-rate={rate}/seed={seed}"
            fake_run(folder, last, hidden=hidden, learning_rate=rate, seed=seed)
    found = spread(tmp_path, "g")
    assert re.search(
        r": hidden \d+\.\d% \(p < 0\.001\), learning-rate \d+\.\d% .*, "
        r"repeats \d\.\d%; each given the others",
        found,
    )
    values = [group.measures["val_accuracy"] for group in collect(tmp_path, "g")[0]]
    within = (
        sum(((runs - runs.mean()) ** 2).sum() for runs in values)
        / np.var(np.concatenate(values))
        / 15
    )
    assert f"repeats {within:.1%}" in found
    for name, settings in (
        ("low", {"batch_size": 64, "epochs": 5}),
        ("high", {"batch_size": 32, "epochs": 9}),
    ):
        for seed in range(2):
            fake_run(tmp_path / f"tied/{name}/seed={seed}", 0.9 + seed / 100, seed=seed, **settings)
    assert re.search(r": settings \d+\.\d% \(p = 1\), repeats", spread(tmp_path, "tied"))
    for seed in range(2):
        fake_run(tmp_path / f"dead/hidden=5/seed={seed}", 0.1, hidden=(5,), seed=seed)
        fake_run(tmp_path / f"dead/hidden=6/seed={seed}", 0.1, hidden=(6,), seed=seed)
    assert spread(tmp_path, "dead") is None and spread(tmp_path, "tied/low") is None


def test_no_verdict_over_other_data_or_single_runs(tmp_path):
    for seed in range(2):
        fake_run(tmp_path / f"r/hidden=5/seed={seed}", 0.97, hidden=(5,), seed=seed)
        fake_run(tmp_path / f"r/hidden=6/seed={seed}", 0.97, hidden=(6,), seed=seed, sha256="b")
    for name in ("alone", "others"):
        fake_run(tmp_path / name, 0.97, hidden=(len(name),))
    for names in (["r"], ["alone", "others"]):
        notes = comparison.compare(*collect(tmp_path, *names)).tables[0].notes
        assert not [note for note in notes if note.startswith(("Best", "Of the spread"))]
    assert any("Fewest parameters for a val. accuracy over 0.95: 5,000" in note for note in notes)
    assert not [
        note
        for note in comparison.compare(*collect(tmp_path, "r")).tables[0].notes
        if "Fewest" in note
    ]


def test_a_difference_from_a_run_of_ones_own_is_refused(pair):
    done = call(
        "evaluate",
        "--diff",
        "decay/regularizer-strength=0/seed=0",
        "decay/regularizer-strength=0",
        "--results-dir",
        pair,
    )
    assert_refused(done, "have a run in common")
    assert_refused(
        call("evaluate", "-m", "gan", "--top", "1", "--results-dir", pair), "say with --sort"
    )
    assert_refused(
        call("evaluate", "--diff", "alone", "alone", "--threads", "2", "--results-dir", pair),
        "without --threads",
    )
