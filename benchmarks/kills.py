#!/usr/bin/env python3
"""Break runs off at random moments, go on by the same command, and compare with the run that
nothing happened to.

examples:
  python benchmarks/kills.py --data-dir ~/data
  python benchmarks/kills.py --data-dir ~/data --kinds sweep --rounds 4 --signal TERM

A run that was broken off has to end with the same history, times aside, and with the same numbers
in model.keras, optimizer included. SIGTERM has to end it within 10 s, with exit status 143.
"""

import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import simplejson
from common import command, numbers, parser

RUNS = {
    "classifier": "--epochs 30 --early-stopping 25 --dropout 0.1 --shift 1 --schedule cosine"
    " --warmup 2 --threads 1",
    "gan": "--net gan-dense --unroll 1 --epochs 30 --steps-per-epoch 40 --threads 1",
    "conv-gan": "--net gan-conv --epochs 25 --steps-per-epoch 4 --threads 1",
    "sweep": "--sweep hidden 100 50,20 --repeats 2 --epochs 25 --early-stopping 20 --dropout 0.1",
}
TIMES = {"epoch_seconds", "total_seconds", "start_seconds", "compiled", "resumed"}


def main():
    flags = parser(__doc__)
    flags.add_argument("--data-dir", required=True, help="folder with mnist.npz")
    flags.add_argument("--kinds", nargs="+", default=list(RUNS), choices=RUNS)
    flags.add_argument("--rounds", type=int, default=10, help="of each kind")
    flags.add_argument("--signal", default="KILL", choices=("KILL", "TERM", "INT"))
    flags.add_argument("--seed", type=int, default=0, help="of the moments")
    args = flags.parse_args()
    moments, failed = random.Random(args.seed), 0
    with tempfile.TemporaryDirectory() as folder:
        for kind in args.kinds:
            flags = [*RUNS[kind].split(), "--data-dir", args.data_dir]
            begin = time.monotonic()
            start(folder, "whole", flags).wait()
            seconds, expected = time.monotonic() - begin, outcome(Path(folder, "whole", "run"))
            for number in range(args.rounds):
                told, same = one_round(
                    folder, flags, moments.uniform(0.1, 0.95) * seconds, args.signal, kind, number
                )
                same = same and outcome(Path(folder, "broken", "run")) == expected
                failed += not same
                verdict = "the same" if same else "DIFFERENT"
                print(f"{kind} {number + 1}/{args.rounds}: {told}; {verdict}", flush=True)
                shutil.rmtree(Path(folder, "broken"))
            shutil.rmtree(Path(folder, "whole"))
    print(f"{failed} ended otherwise")
    return bool(failed)


def start(folder, results, flags):
    train = command("train.py", "-m", "run", "--results-dir", Path(folder, results), *flags)
    with open(Path(folder, "log"), "w") as log:
        return subprocess.Popen(train, stdout=log, stderr=log)


def one_round(folder, flags, seconds, name, kind, number):
    """Break a command off and go on with it: what happened in words, and whether both ended as
    they should.
    """
    process = start(folder, "broken", flags)
    time.sleep(seconds)
    begin = time.monotonic()
    of_worker = kind == "sweep" and name == "KILL" and number % 2
    if of_worker:  # the client goes on by itself
        for worker in workers_of(process)[:1]:
            worker.kill()
        status, fine = process.wait(), True
    else:
        process.send_signal(getattr(signal, f"SIG{name}"))
        status = process.wait()
        took = time.monotonic() - begin
        fine = (
            name == "KILL"
            or status == 0
            or (took < 10 and status == {"TERM": 143, "INT": 130}[name])
        )
    before = [epochs_of(path) for path in sorted(Path(folder, "broken").rglob("history.json"))]
    after = start(folder, "broken", flags).wait() if status else 0
    resumed = [
        read(path).get("resumed") for path in sorted(Path(folder, "broken").rglob("history.json"))
    ]
    who = "worker" if of_worker else "run"
    told = f"{who} broken off after {seconds:.1f} s, status {status}"
    if name != "KILL":
        told += f" within {took:.1f} s"
    return (
        f"{told}, at epochs {before}, went on after {resumed}, status {after}",
        fine and after == 0,
    )


def workers_of(process):
    """The processes that train for a sweep."""
    children = psutil.Process(process.pid).children()
    return [one for one in children if "spawn_main" in " ".join(one.cmdline())]


def read(path):
    return simplejson.loads(path.read_text())


def epochs_of(path):
    return len(read(path)["epoch_seconds"])


def outcome(folder):
    """All that runs gave that does not depend on the time."""
    found = {}
    for path in sorted(folder.rglob("history.json")):
        name = path.parent.relative_to(folder).as_posix()
        history = {key: value for key, value in read(path).items() if key not in TIMES}
        samples = {one.name: one.read_bytes() for one in (path.parent / "samples").glob("*")}
        found[name] = history, numbers(path.parent / "model.keras"), samples
    return found


if __name__ == "__main__":
    sys.exit(main())
