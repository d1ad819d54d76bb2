#!/usr/bin/env python3
"""The page of many runs: its size, the seconds to write it, and how soon and how fast a browser
can work with it.

example:
  python benchmarks/report.py --runs 200 2000

A dense and a convolutional net are trained on mnist5k for 10 epochs and evaluated; copies of them,
half with five repeats of a setting and half alone, with other settings and slightly other
histories, are the runs. In headless Chromium the table can be used when a click on a heading has
sorted it; sorting and filtering count until the next frame is drawn, as medians of five.
"""

import json
import random
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from common import parser, run_quietly, seconds_of

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
MEASURED = """async (act) => {
  const begin = performance.now();
  if (act === "sort") document.querySelector("#classifiers thead th:nth-child(4) button").click();
  else {
    const words = document.querySelector("#words");
    words.value = act;
    words.dispatchEvent(new Event("input", { bubbles: true }));
  }
  await new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  return performance.now() - begin;
}"""


def main():
    flags = parser(__doc__)
    flags.add_argument(
        "--runs", type=int, nargs="+", default=[200, 2000], help="(default: 200 2000)"
    )
    args = flags.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        originals = Path(folder, "originals")
        for flags in (["-m", "dense"], ["-m", "conv", "--conv"]):
            run_quietly("train.py", *flags, "--dataset", "mnist5k", "--results-dir", originals)
            run_quietly("evaluate.py", *flags[:2], "--results-dir", originals)
        for count in args.runs:
            for pictures in (False, True):
                results = Path(folder, f"{count}-{pictures}")
                copy(originals, results, count, pictures)
                report = "--report", "--results-dir", results
                seconds = seconds_of(run_quietly, "evaluate.py", *report)
                page = results / "report.html"
                runs = f"{count} runs {'with' if pictures else 'without'} pictures"
                megabytes = page.stat().st_size / 1e6
                print(f"{runs}: {megabytes:.1f} MB, written in {seconds:.1f} s", end="; ")
                print(in_browser(page), flush=True)


def copy(originals, results, count, pictures):
    """Make so many runs of the two that there are."""
    numbers = random.Random(0)
    for number in range(count):
        setting, seed = divmod(number, 5)
        if number < count // 2:
            name, rate = "dense", 1e-4 * (setting + 1)
            folder = results / f"sweep/learning-rate={rate:.4g}/seed={seed}"
        else:
            name, rate = "conv" if number % 2 else "dense", numbers.uniform(1e-4, 1e-2)
            folder = results / f"alone-{number}"
        ignored = () if pictures else ("*.png", "*.svg")
        shutil.copytree(
            originals / name, folder, ignore=shutil.ignore_patterns("model.keras", *ignored)
        )
        config, history = (
            json.loads((folder / f"{file}.json").read_text()) for file in ("config", "history")
        )
        config["settings"] |= {"learning_rate": float(f"{rate:.4g}"), "seed": seed}
        for values in history.values():
            if isinstance(values, list):
                values[:] = [value * numbers.uniform(0.98, 1.0) for value in values]
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "history.json").write_text(json.dumps(history))


def in_browser(page):
    """What a browser takes for the page, in words."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        tab = browser.new_page(viewport={"width": 1300, "height": 900})
        begin = time.perf_counter()
        tab.goto(page.as_uri(), wait_until="commit")
        while not tab.query_selector("#classifiers thead th[aria-sort]"):
            tab.click("#classifiers thead th:nth-child(4) button")
        usable = time.perf_counter() - begin
        tab.wait_for_timeout(1500)
        sorting = statistics.median(tab.evaluate(MEASURED, "sort") for _ in range(5))
        filtering = statistics.median(
            tab.evaluate(MEASURED, words) for words in ("alone", "alone-1", "sweep", "seed", "")
        )
        browser.close()
    after = f"table usable after {usable:.2f} s"
    return f"{after}, sorted in {sorting:.0f} ms, filtered in {filtering:.0f} ms"


if __name__ == "__main__":
    main()
