"""No file that is read can do more than be refused in one line: a corpus of them, read in a
process of its own.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from plotly.offline import get_plotlyjs

from tests import hostile
from tests.conftest import ROOT, assert_refused, call

pytestmark = [pytest.mark.processes, pytest.mark.filterwarnings("ignore:Duplicate name")]


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    return hostile.write_corpus(tmp_path_factory.mktemp("hostile"))


@pytest.fixture(scope="module")
def results(cases, tmp_path_factory):
    """What came of each case, by its name."""
    file = tmp_path_factory.mktemp("cases") / "cases.json"
    file.write_text(json.dumps(cases))
    home = {"KERAS_HOME": str(file.parent)}
    command = [sys.executable, "-W", "ignore", "-m", "tests.hostile", str(file)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=3600, env=os.environ | home
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, f"{lines[-1]}\n{done.stderr[-2000:]}"
    return {line["name"]: line for line in lines if "name" in line}


def faults_of(case, result):
    """What is wrong with what came of a case: list of str."""
    status, error, told = result["status"], result["error"], result["out"] + result["error"]
    faults = []
    allowed = {hostile.REFUSED: (2,), hostile.HARMLESS: (0,), hostile.EITHER: (0, 2)}[case.outcome]
    if status not in allowed:
        faults.append(f"status {status}")
    if status == 2:
        if (
            error.count("\n") != 1
            or not error.startswith(f"{case.script}.py: error: ")
            or len(error) > 3000
        ):
            faults.append("not one line")
        if result["changed"] or result["written"]:
            faults.append(f"changed something {result['written']}")
    if result["seen"]:
        faults.append(f"executed or opened {result['seen']}")
    if not all(sign.isprintable() or sign == "\n" for sign in told):
        faults.append("signs that a terminal acts on")
    if result["seconds"] > 50:
        faults.append(f"{result['seconds']:.0f} s")
    return [f"{case.name}: {fault}: {error[:300]}" for fault in faults]


def test_each_is_refused_in_one_line_or_has_no_effect(cases, results):
    assert len(cases) >= 200 and len({case.name for case in cases}) == len(cases)
    faults = [fault for case in cases for fault in faults_of(case, results[case.name])]
    assert not faults, f"{len(faults)} of {len(cases)}:\n" + "\n".join(faults)


def test_none_takes_much_memory(results):
    assert max(result["memory"] for result in results.values()) < 2.5e9


def test_what_is_never_read_changes_no_prediction(cases, results):
    names = [
        case.name
        for case in cases
        if case.outcome == hostile.HARMLESS and case.name.startswith("model: ")
    ]
    tables = [results[name]["out"].rpartition("\n/")[0] for name in names]
    assert (
        names[0] == "model: clean"
        and len(tables) > 5
        and "prediction" in tables[0]
        and len(set(tables)) == 1
    )


def test_text_of_others_is_on_the_page_what_it_is_everywhere(cases, results):
    (folder,) = (case.folder for case in cases if case.name == "page")
    page = (Path(folder) / "results/report.html").read_text("utf-8").replace(get_plotlyjs(), "")
    assert all(sign.isprintable() or sign == "\n" for sign in page)
    assert r"\x1b[2J" in page and r"\u202egnp.exe" in page


@pytest.mark.parametrize("kind", ["pipe", "directory", "sparse", "link to a device"])
def test_what_stands_in_kerass_cache_instead_of_a_data_set(kind, tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    (tmp_path / "datasets").mkdir()
    hostile.SPECIAL[kind](tmp_path / "datasets" / "mnist.npz")
    assert_refused(
        call("train", "-m", "x", "--dataset", "mnist", "--results-dir", tmp_path),
        "datasets/mnist.npz: ",
    )
