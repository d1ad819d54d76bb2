#!/usr/bin/env python3
"""What many runs take: memory of the client, in which Dask's scheduler is, and of the processes
that train; seconds a run.

examples:
  python benchmarks/long.py runs        1,000 tiny runs on two workers
  python benchmarks/long.py nets        100 different dense nets on one worker, on MNIST
  python benchmarks/long.py fits        500 runs of one net in one process
  python benchmarks/long.py saves       200 times saved and loaded in one process
  python benchmarks/long.py checkpoints what checkpoints take of the time of a run, of each net

nets and checkpoints need --data-dir.
"""

import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import psutil
from common import command, parser

TINY = ["--dataset", "mnist5k", "--epochs", "1", "--batch-size", "1000"]
HIDDEN = [f"{101 + i},50" for i in range(100)]
SWEEPS = {
    "runs": (1000, [*TINY, "--hidden", "4", "--repeats", "1000", "--workers", "2"]),
    "fits": (500, [*TINY, "--hidden", "4", "--repeats", "500", "--workers", "1"]),
    "nets": (100, ["--epochs", "1", "--workers", "1", "--sweep", "hidden", *HIDDEN]),
}


def main():
    known = parser(__doc__)
    known.add_argument("what", choices=(*SWEEPS, "saves", "checkpoints"))
    known.add_argument("--data-dir", help="folder with mnist.npz")
    args = known.parse_args()
    if args.what == "saves":
        return save_and_load()
    if args.what == "checkpoints":
        return checkpoints(args.data_dir)
    many_runs(*SWEEPS[args.what], ["--data-dir", args.data_dir] if args.data_dir else [])


def many_runs(count, flags, places):
    """Train a sweep of so many runs, and print what it takes."""
    client, workers, at, seconds = [], [], [], []
    with tempfile.TemporaryDirectory() as folder:
        train = command("train.py", "-m", "long", "--results-dir", folder, *flags, *places)
        process = subprocess.Popen(train, stdout=subprocess.PIPE, text=True)
        for line in process.stdout:
            found = re.match(r"\[ *(\d+)/.* (\d+\.\d) s$", line.rstrip())
            if not found:
                continue
            seconds.append(float(found[2]))
            at.append(time.monotonic())
            client.append(size(process.pid))
            children = psutil.Process(process.pid).children()
            workers.append(max((size(one.pid) for one in children), default=0))
            if len(at) % (count // 20) == 0:
                sizes = f"client {client[-1]:.0f} MB, the largest worker {workers[-1]:.0f} MB"
                print(f"{len(at)} runs: {sizes}", flush=True)
        assert process.wait() == 0 and len(at) == count
    tenth, half = count // 10, count // 2
    report("client", client, tenth)
    report("largest worker", workers, tenth)
    late = f"over the last half {max(workers[half:]):.0f} MB"
    print(f"largest worker: at most {max(workers):.0f} MB, {late}")
    apart = statistics.median(later - one for one, later in zip(at[tenth:], at[tenth + 1 :]))
    training = f"of a run's training {statistics.median(seconds):.2f} s"
    print(f"median between two runs' ends {apart:.3f} s, {training}")


def report(name, sizes, tenth):
    first, last = statistics.median(sizes[tenth - 5 : tenth + 5]), statistics.median(sizes[-10:])
    growth = f"{100 * (last / first - 1):+.1f}%"
    print(f"{name}: {first:.0f} MB after {tenth} runs, {last:.0f} MB at the end: {growth}")


def size(pid):
    """Megabytes of a process; 0 if it has ended."""
    try:
        return psutil.Process(pid).memory_info().rss / 1e6
    except psutil.Error:
        return 0.0


def save_and_load():
    from lab import data, runs
    from lab.backend import devices
    from lab.evaluation import archive
    from lab.settings import Settings
    from lab.training.run import train_run

    devices.start(devices.Setup("cpu"))
    settings, arrays = data.for_run(Settings(hidden=(50,), dataset="mnist5k", epochs=1))
    sizes = []
    with tempfile.TemporaryDirectory() as folder:
        for number in range(200):
            output = runs.Output(Path(folder, "run"), "run", overwrite=True)
            train_run(settings, arrays, output, quiet=True)
            archive.load_model(runs.load(output.folder))
            sizes.append(size(None))
            if number % 20 == 19:
                print(f"{number + 1} times: {sizes[-1]:.0f} MB", flush=True)
    report("saved and loaded", sizes, 20)


def checkpoints(data_dir, seconds=45):
    """Of runs that are stopped after so many seconds: the time in which their state was taken
    after each epoch, and written.
    """
    from lab import data, runs
    from lab.backend import devices
    from lab.settings import GAN, NETS, Settings
    from lab.training.callbacks import News
    from lab.training.recorder import Recorder
    from lab.training.run import train_run

    devices.start(devices.Setup("cpu"))
    spent = {}

    def timed(name, function):
        def call(*args, **more):
            begin = time.perf_counter()
            try:
                return function(*args, **more)
            finally:
                spent.setdefault(name, []).append(time.perf_counter() - begin)

        return call

    Recorder.save = timed("written", Recorder.save)
    # With the line in history.json.
    Recorder.on_epoch_end = timed("recorded", Recorder.on_epoch_end)
    for net in NETS:
        dataset = "cifar10" if net == "filter" else "mnist"
        more = {"sample_every": 10_000} if Settings(net=net).kind is GAN else {}
        settings, arrays = data.for_run(
            Settings(net=net, dataset=dataset, epochs=10_000, **more), data_dir
        )
        spent.clear()
        begin, sizes = time.perf_counter(), []
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "run", runs.File.CHECKPOINT)

            def watch(*epoch, path=path, sizes=sizes, begin=begin):
                sizes.append(path.stat().st_size if path.exists() else 0)
                return time.perf_counter() - begin < seconds

            news = News(lambda *epochs: None, watch)
            output = runs.Output(path.parent, "run")
            history = train_run(settings, arrays, output, quiet=True, news=news)
        total, epochs = history["total_seconds"], len(history["epoch_seconds"])
        written, kept = spent.get("written", []), sum(spent["recorded"])
        share, megabytes = 100 * (sum(written) + kept) / total, max(sizes) / 1e6
        print(f"{net}: {epochs} epochs in {total:.1f} s", end="; ")
        print(f"{len(written)} checkpoints of {megabytes:.1f} MB took {sum(written):.3f} s", end="")
        print(f", what is kept after each epoch {kept:.3f} s: {share:.2f}%", flush=True)


if __name__ == "__main__":
    main()
