"""docs/cluster.md on a real SLURM: its lines as pasted, and a job that is cancelled in the
middle.
"""

import importlib.util
import re
import shutil
import subprocess
import sys
import time

import psutil
import pytest

from tests.conftest import ROOT, script
from tests.helpers import complete, outcome, start, wait_for_runs

JOBS = 2
FOUR = {f"hidden={hidden}/seed={seed}" for hidden in (8, 9) for seed in (0, 1)}
SWEEP = ("-m", "x", "--sweep", "hidden", "8", "9", "--repeats", "2", "--dataset", "mnist5k")


pytestmark = [pytest.mark.cluster, pytest.mark.slurm]


def told(*command):
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout.split()


def network():
    """The name of a network interface on which this machine can be reached, by itself at least."""
    addresses = {
        name: {one.family.name for one in several}
        for name, several in psutil.net_if_addrs().items()
    }
    return min(
        (name for name in addresses if "AF_INET" in addresses[name]), key=lambda name: name == "lo"
    )


def wait_until(true, seconds=120):
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.2)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The documented script, running: its folder, in which its jobs run, and the address that it
    prints.
    """
    if not shutil.which("sinfo") or not told("sinfo", "--noheader", "--states=idle", "--format=%T"):
        pytest.skip("no SLURM: tests/cluster/one-node-slurm sets one up")
    if not importlib.util.find_spec("dask_jobqueue"):
        pytest.skip("no dask-jobqueue, with which docs/cluster.md submits jobs: pip install it")
    folder = tmp_path_factory.mktemp("cluster")
    (text,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "cluster.md").read_text(), re.S)
    for pasted, mended in (
        ("/path/to/this", str(ROOT)),
        ('"eth0"', f'"{network()}"'),
        ("jobs=10", f"jobs={JOBS}"),
    ):
        assert pasted in text
        text = text.replace(pasted, mended)
    (folder / "slurm.py").write_text(text)
    command = [sys.executable, "slurm.py"]
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        address = ""
        while not address.endswith(";"):
            letter = process.stdout.read(1)
            assert letter, "it ended without an address"
            address += letter
        yield folder, address.removesuffix(";")
        process.communicate("\n", timeout=60)
        assert process.returncode == 0
        wait_until(lambda: not jobs(folder))
    finally:
        process.kill()
        process.wait()
        for job in jobs(folder):
            subprocess.run(["scancel", job])


def jobs(folder):
    """The numbers of the jobs that were submitted in a folder and have not ended."""
    told_of = told("squeue", "--me", "--noheader", "--format=%i:%Z")
    return {
        job for job, _, place in (line.partition(":") for line in told_of) if place == str(folder)
    }


def workers(folder):
    """Those of them whose worker has found the scheduler."""
    outputs = {job: folder / f"slurm-{job}.out" for job in jobs(folder)}
    return {
        job
        for job, output in outputs.items()
        if output.exists() and "Registered to" in output.read_text()
    }


def assert_same_as_here(folder, *flags):
    """The runs of the sweep are those that this machine gives without a cluster."""
    done = script("train", *SWEEP, *flags, "--results-dir", folder / "here")
    assert done.returncode == 0, done.stderr
    assert set(complete(folder / "x")) == FOUR
    for name in FOUR:
        assert outcome(folder / "x" / name) == outcome(folder / "here" / "x" / name)


def test_the_documented_lines_train_a_sweep(cluster, tmp_path):
    done = script(
        "train", *SWEEP, "--epochs", "2", "--scheduler", cluster[1], "--results-dir", tmp_path
    )
    assert done.returncode == 0 and done.stderr == "", done.stderr
    assert_same_as_here(tmp_path, "--epochs", "2")


def test_a_job_that_is_cancelled_costs_no_run_and_is_replaced(cluster, tmp_path):
    folder, address = cluster
    wait_until(lambda: len(workers(folder)) == JOBS)
    process = start(*SWEEP, "--epochs", "100", "--scheduler", address, "--results-dir", tmp_path)
    wait_for_runs(process, 1)  # of four: each of the two jobs is at one of the others now
    cancelled = min(workers(folder))
    subprocess.run(["scancel", cancelled], check=True)
    _, errors = process.communicate(timeout=300)
    assert process.returncode == 0 and errors == "", errors
    assert "CANCELLED" in (folder / f"slurm-{cancelled}.out").read_text()
    assert_same_as_here(tmp_path, "--epochs", "100")
    wait_until(lambda: len(workers(folder) - {cancelled}) == JOBS)
