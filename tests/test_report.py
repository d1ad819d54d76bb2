"""The page of a results folder: its numbers against the files, and what a reader does with it, in
a real browser.
"""

import base64
import html
import json
import re
import shutil
import webbrowser
import zlib
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from lab import cli, comparison, runs
from lab.report import contents, pictures, rows
from lab.runs import write_json
from lab.settings import GAN, Settings
from tests.conftest import ROOT, assert_refused, call
from tests.helpers import change_history, fake_run

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
NUMBER = re.compile(r"(?<![\w#.-])-?\d+\.\d+")
SVG = "{http://www.w3.org/2000/svg}"
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
# What would run, or show as something else than text, if it were taken for markup.
HOSTILE = "<img src=x onerror=hacked=1><b>&amp;</script><script>hacked=1</script>"


def fake_gan(folder, seed=0, classes=("a", "b"), **more):
    """A GAN of three epochs with a labelled evaluation and pictures of samples."""
    folder.mkdir(parents=True)
    settings = Settings(net="gan-dense", dataset="fashion_mnist", seed=seed)
    dataset = {"name": "fashion_mnist", "sha256": "f", "train": 60000, "validation": 10000}
    write_json(
        folder / "config.json",
        {"settings": settings.to_json(), "parameters": 700, "dataset": dataset} | more,
    )
    curves = ("generator_loss", "discriminator_loss", "generated_accuracy", "real_accuracy")
    history = {name: [0.5, 0.6 + seed / 10, 0.7] for name in curves} | {
        "epoch_seconds": [3.0, 1.0, 1.0],
        "total_seconds": 5.0,
    }
    write_json(
        folder / "history.json",
        history | {"status": "complete", "saved_epoch": 3, "device": "CPU: X, 1 thread"},
    )
    counted = {
        "samples": 100,
        "counts": [70, 30],
        "classes": list(classes),
        "classifier": classes[0],
        "confidence": 0.75,
    }
    write_json(folder / "evaluation.json", counted)
    (folder / "samples").mkdir()
    for epoch in range(4):
        Image.new("L", (20, 20), 60 * epoch).save(folder / "samples" / f"epoch_{epoch:04d}.png")


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Runs in every state: a sweep of three settings with repeats, single ones, GANs, a search,
    broken and hostile ones.
    """
    folder = tmp_path_factory.mktemp("report") / "results"
    for rate, best in ((1e-4, 0.93), (1e-3, 0.97), (1e-2, 0.95)):
        for seed in range(3):
            name = f"rates/learning-rate={rate:g}/seed={seed}"
            fake_run(folder / name, best + seed / 1000, learning_rate=rate, seed=seed)
    for name in ("data", "run-1"):  # as parts of the page are called
        for units in (5, 6):
            fake_run(folder / name / f"hidden={units}", 0.8, hidden=(units,))
    fake_run(folder / "alone", 0.96, device="GPU: Y", activation="tanh")
    fake_run(folder / "on-cpu", 0.96, activation="tanh")
    Image.new("RGB", (40, 30), "red").save(folder / "alone" / "mistakes.png")
    fake_run(folder / "stopped", 0.9, status="interrupted", epochs=10)
    fake_run(folder / "wild", status="diverged", learning_rate=30.0)
    change_history(folder / "wild", val_loss=[1.0, None, None, None])
    for seed in range(2):
        fake_gan(folder / f"gan/seed={seed}", seed)
    fake_run(folder / "few/trial=0", 0.9, hidden=(9,), holdout=100)
    trials = [{"number": 0, "accuracy": 0.9, "parameters": 500, "whole": True, "reached": False}]
    trials.append(
        {"number": 1, "accuracy": 0.95, "parameters": 700, "whole": True, "reached": True}
    )
    about = {
        "unit_budget": None,
        "target_accuracy": 0.94,
        "trials": trials,
        "importances": {"dropout": 0.75, HOSTILE: 0.25},
    }
    write_json(folder / "few/search.json", about)
    fake_run(folder / "hostile", 0.5, device=HOSTILE)
    config = json.loads((folder / "hostile/config.json").read_text()) | {
        "command": HOSTILE,
        "commit": HOSTILE,
        "versions": {HOSTILE: HOSTILE},
    }
    write_json(folder / "hostile/config.json", config)
    (folder / "hostile").rename(folder / HOSTILE.replace("/", "∕"))
    for seed in range(2):
        fake_gan(
            folder / f"hostile-gan/seed={seed}", seed, classes=(HOSTILE, "\x1b[31m'\"{{ 7 * 7 }}")
        )
    fake_run(folder / "broken")
    write_json(folder / "broken/config.json", config | {"settings": {"net": "dense", HOSTILE: 1}})
    (folder / "half").mkdir()
    (folder / "half/history.json").write_text("{")
    half = (
        (folder / "stopped/history.json").read_text().replace("CPU: X", "CPU: \\ud83d")
    )  # half of a character
    (folder / "stopped/history.json").write_text(half)
    return folder


@pytest.fixture(scope="module")
def written(results):
    done = call("evaluate", "--report", "--results-dir", results)
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert (
        "results: 25 runs on a page of" in done.stdout and "What cannot be read: 2;" in done.stdout
    )
    return results / "report.html"


def data_of(page):
    return json.loads(
        re.search(
            r'<script type="application/json" id="data">(.*?)</script>',
            page.read_text("utf-8"),
            re.S,
        )[1]
    )


def test_the_curves_are_means_of_the_histories_with_their_confidence(results, written):
    curves = {one["name"]: one for one in data_of(written)["curves"].values()}
    several = [
        json.loads((results / f"rates/learning-rate=0.01/seed={seed}/history.json").read_text())
        for seed in range(3)
    ]
    values = np.array([one["val_accuracy"] for one in several])
    mean, half = values.mean(axis=0), 4.302653 * values.std(axis=0, ddof=1) / np.sqrt(3)
    of_group = curves["rates/learning-rate=0.01"]
    assert of_group["mean"]["val_accuracy"] == pytest.approx(mean, abs=1e-5)
    low, high = of_group["band"]["val_accuracy"]
    assert low == pytest.approx(mean - half, abs=1e-5) and high == pytest.approx(
        mean + half, abs=1e-5
    )
    assert curves["rates/learning-rate=0.01/seed=2"]["mean"]["val_accuracy"] == pytest.approx(
        values[2], abs=1e-5
    )
    assert "band" not in curves["alone"] and curves["wild"]["mean"]["val_loss"] == [
        1.0,
        None,
        None,
        None,
    ]
    assert {one["kind"] for one in curves.values()} == {"classifiers", "GANs"}


def images_of(page):
    """The charts that are images: SVG by what each is said to show."""
    found = re.findall(
        r'src="data:image/svg\+xml;base64,([^"]*)" alt="([^"]*)"', page.read_text("utf-8")
    )
    return {html.unescape(words): base64.b64decode(content).decode() for content, words in found}


def texts_of(image):
    """What an SVG says, in one text for each place."""
    return ["".join(one.itertext()) for one in ElementTree.fromstring(image).iter(f"{SVG}text")]


def test_the_charts_show_the_numbers_of_sweeps_and_searches(results, written):
    images = images_of(written)
    groups, _ = comparison.collect(results, runs.named(results, ["rates"]))
    compared = comparison.compare(groups)
    (line,) = compared.charts["trend.png"]["series"].values()
    mean, half_width = line["val_accuracy"]
    assert line["x"][0].tolist() == [0.0001, 0.001, 0.01]
    assert mean == pytest.approx([0.931, 0.971, 0.951], abs=1e-5)
    assert half_width[0] == pytest.approx(4.302653 * 0.001 / np.sqrt(3), abs=1e-6)
    # What evaluate.py writes.
    assert call("evaluate", "-m", "rates", "--results-dir", results).returncode == 0
    image = images["rates: validation accuracy and loss by learning rate"]
    written_by_itself = (results / "comparisons/rates/trend.svg").read_text()
    assert [*map(float, NUMBER.findall(image))] == pytest.approx(
        [*map(float, NUMBER.findall(written_by_itself))], abs=0.01
    )
    assert texts_of(image) == texts_of(written_by_itself)
    search, importances = (
        texts_of(images[f"few: {words}"])
        for words in (
            "the best so far, and accuracy by parameters",
            "what the accuracy of a trial depends on",
        )
    )
    assert {"best so far", "Pareto front", "target 0.94", "trial", "parameters"} <= {*search}
    assert {"0.75", "0.25", "dropout"} <= {*importances}
    assert "".join(HOSTILE.split()) in "".join("".join(importances).split())  # in several lines
    samples = texts_of(images["gan: samples by class"])
    assert {"a", "b", "class", "samples", "gan"} <= {*samples}


def test_every_run_is_in_the_table_with_its_status_and_the_reason(results):
    found, broken = rows.read(results, runs.named(results, ["*"], holds=runs.has_record))
    assert (
        sorted(broken) == ["broken", "half"]
        and HOSTILE in broken["broken"]
        and "config.json" in broken["half"]
    )
    by_name = {row.group.path: row for row in found}
    assert [by_name[name].status for name in ("alone", "stopped", "wild")] == [
        "complete",
        "interrupted",
        "diverged",
    ]
    assert "4 of 10 epochs" in by_name["stopped"].reason and "infinite" in by_name["wild"].reason
    assert (
        by_name["rates/learning-rate=0.01"].is_repeats
        and by_name["rates/learning-rate=0.01/seed=1"].part
    )
    columns = rows.columns_of([row for row in found if row.group.settings.kind is not GAN])
    assert {"val. accuracy", "learning-rate", "activation", "s / epoch", "device"} <= set(columns)
    assert {"confidence", "generator loss"} <= set(
        rows.columns_of([row for row in found if row.group.settings.kind is GAN])
    )
    place = [row.group.path for row in found if row.group.settings.kind is not GAN].index(
        "rates/learning-rate=0.01"
    )
    assert columns["val. accuracy"][place].text == "0.9510 ± 0.0025"


def test_repeats_of_which_some_failed_say_so_and_unlike_ones_are_not_averaged(tmp_path):
    fake_run(tmp_path / "r/seed=0")
    fake_run(tmp_path / "r/seed=1", seed=1)
    fake_run(tmp_path / "r/seed=2", seed=2, status="diverged")
    fake_run(tmp_path / "unlike/seed=0")
    fake_run(tmp_path / "unlike/seed=1", seed=1, dropout=0.5)
    fake_gan(tmp_path / "gan")
    (tmp_path / "gan/evaluation.json").write_text("[]")
    found, broken = rows.read(tmp_path, runs.named(tmp_path, ["*"], holds=runs.has_record))
    assert not broken
    by_name = {row.group.path: row for row in found}
    assert by_name["r"].status == "2 of 3 complete" and "seed 2: The loss" in by_name["r"].reason
    assert (
        "unlike" not in by_name
        and "dropout" in by_name["unlike/seed=0"].reason
        and not by_name["unlike/seed=0"].part
    )
    assert "evaluation.json" in by_name["gan"].reason  # and its curves are shown all the same
    assert call("evaluate", "--report", "--results-dir", tmp_path).returncode == 0


def test_pictures_come_in_until_the_page_is_full_and_nothing_but_pictures_does(
    tmp_path, monkeypatch
):
    fake_run(tmp_path / "a")
    fake_run(tmp_path / "b", seed=1)
    for name in "ab":
        Image.new("RGB", (40, 30), "red").save(tmp_path / name / "mistakes.png")
    (tmp_path / "a/confusion.png").write_text("<script>")
    (tmp_path / "secret.png").write_bytes((tmp_path / "a/mistakes.png").read_bytes())
    (tmp_path / "b/weights.png").symlink_to(tmp_path / "secret.png")
    several = [runs.load(tmp_path / name) for name in "ab"]
    (first, second), left_out = pictures.pictures_of(several, tmp_path)
    assert [(one.path, one.content is not None, one.size) for one in (*first, *second)] == [
        ("a/mistakes.png", True, (40, 30)),
        ("a/confusion.png", False, None),
        ("b/mistakes.png", True, (40, 30)),
        ("b/weights.png", False, None),
    ]
    assert left_out == 2
    monkeypatch.setattr(pictures, "MOST_BYTES", (tmp_path / "a/mistakes.png").stat().st_size)
    assert pictures.pictures_of(several, tmp_path)[1] == 3
    done = call("evaluate", "--report", "--label", "mine", "--results-dir", tmp_path)
    assert done.returncode == 0 and "not in the page, which links to them: 3." in done.stdout
    page = (tmp_path / "mine.html").read_text()
    assert (
        '<a href="b/mistakes.png">' in page
        and "for want of room or because they are none: 3." in page
    )


def test_nothing_that_a_run_can_hold_stops_the_page(tmp_path):
    for seed in (0, 2**31 - 1):
        fake_run(tmp_path / f"far-apart/seed={seed}", seed=seed)
    lists = {name: [0.5] for name in ("loss", "accuracy", "val_loss", "val_accuracy")}
    change_history(
        tmp_path / "far-apart/seed=0",
        **lists,
        epoch_seconds=[1.0],
        saved_epoch=1,
        total_seconds=None,
    )
    fake_run(tmp_path / "seed=0", 0.9)
    trial = {"number": 0, "accuracy": 0.9, "parameters": 500, "whole": False, "reached": False}
    for name, budget in (("s", 12), ("t", None)):
        fake_run(tmp_path / name / "trial=0", 0.9)
        write_json(
            tmp_path / name / "search.json",
            {"unit_budget": budget, "target_accuracy": None, "trials": [trial]},
        )
    header = (
        b"\x89PNG\r\n\x1a\n" + (4).to_bytes(4, "big") + b"IHDR\0\0\0\1"
    )  # too short for a width and a height
    (tmp_path / "s/trial=0/mistakes.png").write_bytes(
        header + zlib.crc32(header[12:]).to_bytes(4, "big")
    )
    (tmp_path / "nobody").mkdir()
    done = call("evaluate", "--report", "--results-dir", tmp_path)
    assert (done.returncode, done.stderr) == (0, "") and "What cannot be read: 2;" in done.stdout
    page = (tmp_path / "report.html").read_text()
    assert "0,2147483647" in page and "The mean curve goes as far as all of them got." in page
    assert "t/search.json" in page and "There is no run in this folder." in page
    assert runs.ended(tmp_path / "nobody") == "-"


def test_what_a_search_looked_for_is_said_of_each_kind(tmp_path):
    trial = {"number": 0, "accuracy": 0.9, "parameters": 500, "whole": True, "reached": True}
    kinds = {"budget": (12, None, False), "target": (None, 0.8, False), "own": (None, None, True)}
    for name, goal in kinds.items():
        fake_run(tmp_path / name / "trial=0", 0.9)
        about = dict(zip(("unit_budget", "target_accuracy", "accuracy"), goal)) | {
            "trials": [trial],
            "failed": 2,
        }
        write_json(tmp_path / name / "search.json", about)
    assert call("evaluate", "--report", "--results-dir", tmp_path).returncode == 0
    page = " ".join((tmp_path / "report.html").read_text().split())
    for what in (
        "the best accuracy with 12 hidden units,",
        "the fewest parameters with an accuracy of 0.8,",
        "the best accuracy,",
    ):
        assert f"0 stopped early, and 2 that failed, in search of {what} on held-out" in page
    assert "None hidden units" not in page


def test_devices_are_compared_by_runs_that_came_to_an_end(tmp_path):
    fake_run(tmp_path / "cpu")
    fake_run(tmp_path / "gpu", device="GPU: Y")
    change_history(tmp_path / "gpu", epoch_seconds=[1.0, 0.05, 0.05, 0.05])
    fake_run(tmp_path / "killed", status="training")
    change_history(tmp_path / "killed", epoch_seconds=[99.0] * 4)
    found, _ = rows.read(tmp_path, runs.named(tmp_path, ["*"]))
    (kind,) = contents.kinds_of(found)
    assert [row["speed-up"] for row in kind.speed.rows] == ["1", "5.00"]
    change_history(
        tmp_path / "gpu", epoch_seconds=[1.0, 0.0, 0.0, 0.0]
    )  # by a clock that stood still
    found, _ = rows.read(tmp_path, runs.named(tmp_path, ["*"]))
    assert contents.kinds_of(found)[0].speed.rows[1]["speed-up"] == "-"
    assert call("evaluate", "--report", "--results-dir", tmp_path).returncode == 0
    assert (
        "Compiling: the first epoch less the median of the later ones."
        in (tmp_path / "report.html").read_text()
    )


def test_published_figures_stand_with_what_they_are_of(tmp_path):
    for seed in range(3):
        for strength in (0.0, 1e-6, 1e-4):
            fake_run(
                tmp_path / f"d/regularizer-strength={strength:g}/seed={seed}",
                0.97,
                seed=seed,
                regularizer_strength=strength,
            )
    fake_run(tmp_path / "like-one-of-them", 0.97)
    (tmp_path / "p.csv").write_text(
        "regularizer_strength,val_accuracy\n0,0.97\n1e-6,0.97\n1e-4,0.91\n"
    )
    done = call(
        "evaluate", "--report", "--published", tmp_path / "p.csv", "--results-dir", tmp_path
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "report.html").read_text()
    assert (
        page.count("Published figures, and our 95% prediction interval") == 2
        and "0.91 below 0.9700 to" in page
    )  # caption and label
    images = images_of(tmp_path / "report.html")
    image = images["d: validation accuracy and loss by weight decay λ"]
    assert "published" in texts_of(image)
    groups, _ = comparison.collect(tmp_path, runs.named(tmp_path, ["d"]))
    compared = comparison.compare(groups, view=comparison.View(tmp_path / "p.csv"))
    (line,) = compared.charts["trend.png"]["series"].values()
    assert line["published"]["val_accuracy"].tolist() == [0.97, 0.97, 0.91]
    assert line["x"][0].tolist() == [0, 1e-6, 1e-4]
    (tmp_path / "e.csv").write_text("epoch,val_loss\n1,0.5\n2,0.25\n")
    call("evaluate", "--report", "d", "--published", tmp_path / "e.csv", "--results-dir", tmp_path)
    assert data_of(tmp_path / "report.html")["curves"]["0"]["published"] == {
        "val_loss": [[1, 0.5], [2, 0.25]]
    }
    (tmp_path / "n.csv").write_text("dropout,val_loss\n0.9,0.5\n")
    assert_refused(
        call("evaluate", "--report", "--published", tmp_path / "n.csv", "--results-dir", tmp_path),
        "none of its rows",
    )


def test_shown_it_opens_in_the_browser(tmp_path, monkeypatch):
    fake_run(tmp_path / "a b")
    opened = []
    monkeypatch.setattr(cli, "check_display", lambda wanted: None)
    monkeypatch.setattr("lab.cli.windows.show", lambda paths: opened.extend(paths))
    monkeypatch.setattr(webbrowser, "open", opened.append)
    done = call("evaluate", "--report", "a b", "--show", "--results-dir", tmp_path)
    assert done.returncode == 2  # no name of ours, though of all runs it is shown
    assert call("evaluate", "--report", "--show", "--results-dir", tmp_path).returncode == 0
    assert opened == [(tmp_path / "report.html").as_uri()]


def test_what_cannot_be_a_page_is_refused_in_one_line(tmp_path, results):
    (tmp_path / "empty").mkdir()
    for folder in ("empty", "nowhere"):
        assert_refused(
            call("evaluate", "--report", "--results-dir", tmp_path / folder),
            "holds no run: train one first",
        )
    for flags, said in (
        (("--report", "nobody"), "no run at"),
        (("--report", "x*"), "no run's name"),
        (("--report", "--label", "x y"), "not a run's name"),
        (("--report", "--label", "a/b"), "without /"),
        (("--report", "--top", "3"), "--report does one thing"),
        (("--report", "-m", "alone"), "not allowed with"),
        (("--report", "--published", "nothing.csv"), "nothing.csv"),
    ):
        assert_refused(call("evaluate", *flags, "--results-dir", results), said)
    (tmp_path / "r" / "report.html").mkdir(parents=True)
    fake_run(tmp_path / "r" / "a")
    assert_refused(call("evaluate", "--report", "--results-dir", tmp_path / "r"), "/report.html: ")
    fake_run(tmp_path / "s" / "broken")
    (tmp_path / "s" / "broken" / "history.json").write_text("{")
    done = call("evaluate", "--report", "--results-dir", tmp_path / "s")
    assert done.returncode == 0 and "Cannot be read" in (tmp_path / "s" / "report.html").read_text()


def test_text_for_charts_is_escaped(written):
    name = HOSTILE.replace("/", "∕")
    escaped = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    names = {curve["name"] for curve in data_of(written)["curves"].values()}
    assert escaped in names and name not in names
    importances = images_of(written)["few: what the accuracy of a trial depends on"]
    assert "<script" not in importances
    # In lines, which break at spaces.
    assert HOSTILE.replace(" ", "") in "".join(texts_of(importances)).replace(" ", "")


@pytest.fixture(scope="module")
def chromium():
    if CHROMIUM is None:
        pytest.skip("no browser: install Debian's package chromium")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="no Playwright: pip install -r requirements-dev.txt"
    )
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def tab(chromium, written):
    """The page in a browser.

    In the end: no error on its console, and nothing was asked of any network.
    """
    tab = chromium.new_page(viewport={"width": 1300, "height": 900})
    faults = []
    tab.on("console", lambda message: faults.append(message.text))
    tab.on("pageerror", lambda error: faults.append(str(error)))
    tab.on("dialog", lambda dialog: faults.append(dialog.message))
    tab.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(("file:", "data:", "blob:"))
            else faults.append(request.url)
        ),
    )
    tab.goto(written.as_uri())
    tab.faults = faults
    yield tab
    tab.close()
    assert faults == []


def names(tab, table="classifiers"):
    return tab.eval_on_selector_all(
        f"#{table} tbody tr", "rows => rows.map(row => row.cells[1].querySelector('a').textContent)"
    )


def drawn(tab, chart="curves classifiers"):
    """The lines of a chart, by name, once they have come into view."""
    tab.wait_for_timeout(150)
    tab.locator(f'[data-chart="{chart}"] .plot').scroll_into_view_if_needed()
    tab.wait_for_selector(f'[data-chart="{chart}"].drawn')
    return tab.eval_on_selector(
        f'[data-chart="{chart}"] .plot',
        "plot => plot.data.map(one => [one.name, one.line?.dash, one.y])",
    )


def test_rows_are_sorted_and_filtered(tab):
    def sort(column):
        tab.get_by_role("button", name=column, exact=True).first.click()
        return names(tab)

    best = sort("val. accuracy")
    assert best[:2] == ["rates/learning-rate=0.001", "alone"] and best[-1].startswith("<img")
    assert tab.get_attribute("th[aria-sort]", "aria-sort") == "descending"
    assert sort("val. accuracy")[0] == best[-1]
    assert tab.get_attribute("th[aria-sort]", "aria-sort") == "ascending"
    rates = [name for name in sort("learning-rate") if name.startswith("rates")]
    assert rates == [
        f"rates/learning-rate={rate}" for rate in ("0.0001", "0.001", "0.01")
    ]  # as numbers, not as text
    total = tab.inner_text("#count")
    tab.fill("#words", "complete TANH")
    assert sorted(names(tab)) == ["alone", "on-cpu"] and tab.inner_text("#count") != total
    tab.fill("#words", "")
    tab.select_option("#which", "runs")
    assert "rates/learning-rate=0.01/seed=2" in names(
        tab
    ) and "rates/learning-rate=0.01" not in names(tab)
    tab.click("text=Filter classifiers by setting")
    tab.select_option('[data-table="classifiers"][data-column="learning-rate"]', "0.01")
    tab.select_option('[data-table="classifiers"][data-column="status"]', "complete")
    assert names(tab) == [f"rates/learning-rate=0.01/seed={seed}" for seed in range(3)]
    assert len(names(tab, "GANs")) == 4  # which the filter is not for


def test_curves_follow_the_ticks_and_the_axes_change(tab):
    tab.click("text=Untick all")
    for name in ("rates/learning-rate=0.01", "alone"):
        tab.get_by_label(f"plot {name}", exact=True).check()
    lines = drawn(tab)
    assert {name for name, *_ in lines} == {"rates/learning-rate=0.01", "alone"} and len(
        lines
    ) == 2 * 4 + 8
    assert not tab.is_visible('[data-chart="curves GANs"]')
    tab.uncheck("#bands")
    tab.uncheck("#first")
    assert [dash for _, dash, _ in drawn(tab)] == ["solid"] * 4
    tab.check("#log-y")
    drawn(tab)
    kinds = "plot => [plot.layout.yaxis.type, plot.layout.yaxis2.type, plot.layout.xaxis.type]"
    assert tab.eval_on_selector('[data-chart="curves classifiers"] .plot', kinds) == [
        "linear",
        "log",
        "linear",
    ]
    # A name in the legend takes its run out, and unticks it.
    tab.locator(".legendtoggle").first.click()
    tab.wait_for_function(
        "() => document.querySelectorAll('table.runs input:checked').length === 1"
    )
    left = tab.get_attribute("table.runs input:checked", "aria-label")
    assert {f"plot {name}" for name, *_ in drawn(tab)} == {left}
    tab.uncheck("#second")  # with nothing drawn, there is nothing to go back to
    tab.click('[data-chart="curves classifiers"] [data-do="reset"]')
    tab.check("#second")
    drawn(tab)
    with tab.expect_download() as picture:
        tab.click('[data-chart="curves classifiers"] [data-do="svg"]')
    assert picture.value.path().read_text().startswith("<svg")
    with tab.expect_download() as picture:
        tab.click('[data-chart="curves classifiers"] [data-do="png"]')
    assert picture.value.path().read_bytes().startswith(b"\x89PNG")


def test_two_runs_stand_side_by_side(tab):
    assert "7 ticked" in tab.inner_text("#pair-hint")
    tab.click("text=Untick all")
    tab.get_by_label("plot alone", exact=True).check()
    tab.get_by_label("plot rates/learning-rate=0.01", exact=True).check()
    differing = dict(
        tab.eval_on_selector_all(
            "#differences tr",
            "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
            ".map(([name, one, other]) => [name, `${one}|${other}`])",
        )
    )
    assert differing["val. accuracy"] == "0.9600|0.9510 ± 0.0025"  # of repeats, the mean
    assert (differing["activation"], differing["learning-rate"]) == ("tanh|relu", "0.001|0.01")
    assert "optimizer" not in differing
    assert len(drawn(tab, "pair")) == 16 and tab.locator(".pair > div").count() == 2
    assert tab.locator(".pair img[alt*='gets wrong, the surest first, of alone']").count() == 1
    tab.click("text=Untick all")
    assert not tab.is_visible("#pair-here")


def test_a_runs_section_opens_with_all_of_it_and_samples_go_by_epoch(tab):
    tab.get_by_role("link", name="alone", exact=True).click()
    section = tab.locator("details.run[open]")
    section.locator("img").wait_for()
    assert tab.evaluate("document.querySelector('details.run[open] img').naturalWidth") == 40
    section.locator("summary").first.click()  # closed, and opened by the same link again
    tab.get_by_role("link", name="alone", exact=True).click()
    tab.locator("details.run[open]").wait_for()
    tab.uncheck("#first")
    name = section.locator(".chart").get_attribute("data-chart")
    assert {dash for _, dash, _ in drawn(tab, name)} == {"solid"}
    tab.fill("#words", "gan")
    tab.locator("#GANs a", has_text="gan").first.click()
    frames = tab.locator("details.run[open] .frames").first
    frames.wait_for()
    assert frames.locator("[data-epoch]:visible").get_attribute("data-epoch") == "3"
    frames.locator("input").press("Home")
    assert (
        frames.locator("[data-epoch]:visible").get_attribute("data-epoch") == "0"
        and frames.locator("output").inner_text() == "0"
    )


def test_hostile_text_shows_as_text(tab, written):
    tab.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    tab.wait_for_timeout(300)
    tab.evaluate("charts.filter((chart) => chart.clientWidth).forEach(draw)")
    text = tab.inner_text("body")
    assert tab.evaluate("typeof hacked") == "undefined" and tab.locator("img[src=x]").count() == 0
    assert text.count(HOSTILE) >= 4  # command, commit, device, classifier
    assert HOSTILE.replace("/", "∕") in text
    classes = texts_of(images_of(written)["hostile-gan: samples by class"])
    assert "{{7*7}}" in "".join(classes).replace(" ", "")
    # Even a script that found its way in would not run.
    tab.evaluate(
        "document.body.append("
        "Object.assign(document.createElement('script'), { textContent: 'hacked = 1' }))"
    )
    assert tab.evaluate("typeof hacked") == "undefined"
    assert "Content Security Policy" in tab.faults.pop()


def test_light_dark_and_print(tab):
    colours = (
        "['body', '#curves .plot .bg'].map(one => getComputedStyle(document.querySelector(one)))"
    )
    colours = f"{colours}.map((style, place) => place ? style.fill : style.backgroundColor)"
    drawn(tab)
    light = tab.evaluate(colours)
    tab.emulate_media(color_scheme="dark")
    drawn(tab)
    dark = tab.evaluate(colours)
    assert light[0] == "rgb(255, 255, 255)" != dark[0] and dark[0] == dark[1]
    tab.emulate_media(media="print")
    tab.wait_for_timeout(100)
    assert tab.evaluate(colours)[1] == "rgb(255, 255, 255)"
    assert (
        not tab.is_visible("#words")
        and not tab.is_visible(".tools >> nth=0")
        and tab.is_visible("#classifiers")
    )
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_phone_shows_all_of_it(tab):
    tab.set_viewport_size({"width": 390, "height": 800})
    tab.wait_for_function(
        "() => document.documentElement.scrollWidth <= 390"
    )  # charts are drawn anew


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_accessible(tab, scheme):
    if not AXE.exists():
        pytest.skip("no axe-core: npm install --prefix . --no-save axe-core")
    tab.emulate_media(color_scheme=scheme)
    tab.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    tab.click("text=Untick all")
    tab.get_by_label("plot alone", exact=True).check()
    tab.get_by_label("plot rates/learning-rate=0.01", exact=True).check()
    tab.wait_for_timeout(300)
    tab.evaluate("charts.filter((chart) => chart.clientWidth).forEach(draw)")
    tab.evaluate(AXE.read_text("utf-8"))
    found = tab.evaluate(
        "axe.run(document, { resultTypes: ['violations'] }).then((results) => results.violations)"
    )
    serious = [
        (one["id"], one["nodes"][0]["html"])
        for one in found
        if one["impact"] in ("serious", "critical")
    ]
    assert serious == []
    # With the keyboard alone: the focus shows.
    tab.focus("#words")
    tab.keyboard.press("Tab")
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
