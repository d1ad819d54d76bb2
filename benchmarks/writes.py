#!/usr/bin/env python3
"""What it costs that a run's files are on the disk before they count, and that a checkpoint is
checked: seconds of a run's.

examples:
  python benchmarks/writes.py --data-dir ~/data --results-dir ~/results-of-this-disk
"""

import argparse
import contextlib
import io
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from common import ROOT, command, parser, seconds_of

RUNS = {
    "dense": "--epochs 10",
    "dense, 60 s": "--epochs 300",
    "conv": "--conv --epochs 5",
    "gan-dense": "--net gan-dense --epochs 5",
    "ring": "--net gan-dense --dataset ring --epochs 25",
}


def main():
    known = parser(__doc__)
    known.add_argument("--data-dir", required=True, help="folder with mnist.npz")
    known.add_argument(
        "--results-dir", required=True, help="folder on the disk that is to be measured"
    )
    known.add_argument("--kinds", nargs="+", default=list(RUNS), choices=RUNS)
    known.add_argument("--one", nargs=argparse.REMAINDER, help="(for itself)")
    args = known.parse_args()
    if args.one:
        return train(args.one)
    folders = ["--data-dir", args.data_dir, "--results-dir", args.results_dir, "-m", "written"]
    print(f"{'run':12} {'synced':>7} {'in all':>8} {'of a run of':>12} {'share':>7}")
    for kind in args.kinds:
        measure(kind, [*RUNS[kind].split(), *folders])
        shutil.rmtree(Path(args.results_dir, "written"))
    resume(Path(args.results_dir, "written"), folders)


def measure(kind, flags):
    one = command(__file__, "--data-dir", "", "--results-dir", "", "--one", *flags)
    begin = time.perf_counter()
    done = subprocess.run(one, capture_output=True, text=True, check=True)
    whole = time.perf_counter() - begin
    count, seconds = done.stdout.split()[-2:]
    share = float(seconds) / whole
    print(f"{kind:12} {count:>7} {float(seconds):7.3f}s {whole:11.1f}s {share:7.2%}", flush=True)


def train(flags):
    """Train as train.py does, and print how often files were synced, and how long that took."""
    taken, fsync = [], os.fsync

    def timed(descriptor):
        taken.append(seconds_of(fsync, descriptor))

    os.fsync = timed
    sys.argv = ["train.py", *flags]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        runpy.run_path(str(ROOT / "train.py"), run_name="__main__")
    print(len(taken), sum(taken))


def resume(folder, flags):
    """Print how long it takes to read and check the checkpoint of a run that was broken off."""
    from lab import runs
    from lab.runs import checkpoint

    process = subprocess.Popen(
        command("train.py", *flags, "--epochs", "1000"),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while not (folder / "history.json").exists():
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    process.wait()
    run = runs.load(folder)
    with np.load(folder / runs.File.CHECKPOINT) as file:
        state = [
            (file[name].shape, file[name].dtype.name) for name in file if name.startswith("state_")
        ]
    identity = runs.identity(run.settings, run.record.dataset.sha256)
    fitting = runs.Fitting(
        identity,
        run.settings.kind.curves,
        run.settings.epochs,
        None,
        run.record.parameters,
        state,
        [],
        [],
        [],
    )
    begin = time.perf_counter()
    found = checkpoint.load_checkpoint(folder, fitting)
    seconds = time.perf_counter() - begin
    epochs = len(found.rows)
    print(f"the checkpoint after {epochs} epochs is read and checked in {seconds:.4f} s")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
