"""A GPU does what a CPU does.

Where there is none, two threads of a CPU stand in for it, so that only the name differs.
"""

import functools
import json
import re
import subprocess
import sys

import pytest
import tensorflow as tf

from lab.comparison.tables import DEVICES
from lab.settings import NETS
from tests.conftest import DEVICE, ROOT, call, script
from tests.helpers import fake_run

pytestmark = pytest.mark.processes  # that of the tests has started TensorFlow on the CPU
ON_GPU = [
    pytest.mark.gpu,
    pytest.mark.skipif(not tf.config.list_physical_devices("GPU"), reason="no GPU"),
]
FLAGS = {
    "GPU": ["--device", "gpu"],
    "2 threads": ["--device", "cpu", "--threads", 2],
    "1 thread": ["--device", "cpu", "--threads", 1],
}
# A recent GPU rounds the factors of float32 products to 11 bits (TensorFloat-32). On a CPU in
# bfloat16, which rounds them to 8, the losses of the classifiers' first two epochs differ by 1.1%
# at most from those in float32.
TOLERANCE = 0.01
EPOCHS = 2

on_each_device = pytest.mark.parametrize(
    ("net", "device"),
    [*(pytest.param(net, "GPU", marks=ON_GPU) for net in NETS), ("dense", "2 threads")],
)


@pytest.fixture(scope="module")
def curves(tmp_path_factory, data_dir):
    """The lists by epoch of a short run, by its net, its device and how often it was trained
    before.
    """
    folder = tmp_path_factory.mktemp("devices")

    @functools.cache
    def train(net, device, before):
        name = f"{net}-{device}-{before}".replace(" ", "-")
        flags = [
            "--net",
            net,
            "--dataset",
            "mnist",
            "--epochs",
            EPOCHS,
            "--data-dir",
            data_dir,
            *FLAGS[device],
        ]
        run = (
            call if DEVICE.endswith(device) else script
        )  # what runs in this process already takes no other
        done = run("train", "-m", name, *flags, "--results-dir", folder)
        assert done.returncode == 0, done.stderr
        history = json.loads((folder / name / "history.json").read_text())
        lists = {
            key: values
            for key, values in history.items()
            if isinstance(values, list) and key != "epoch_seconds"
        }
        assert device in history["device"] and {len(values) for values in lists.values()} == {
            EPOCHS
        }
        return lists

    return train


@on_each_device
def test_losses_are_those_of_one_thread_of_a_cpu(net, device, curves):
    found, expected = curves(net, device, 0), curves(net, "1 thread", 0)
    losses = [name for name in expected if name.endswith("loss")]
    assert len(losses) == 2
    assert [found[name] for name in losses] == [
        pytest.approx(expected[name], rel=TOLERANCE) for name in losses
    ]


@pytest.mark.parametrize(
    ("net", "device"), [pytest.param(net, "GPU", marks=ON_GPU) for net in NETS]
)
def test_the_same_seed_gives_the_same_run_to_the_last_digit(net, device, curves):
    assert curves(net, device, 0) == curves(net, device, 1)


@pytest.mark.parametrize("device", [pytest.param("gpu", marks=ON_GPU)])
def test_the_memory_of_one_gpu_is_taken_as_it_is_needed(device):
    code = f"""
from lab.backend import devices
devices.start(devices.Setup("{device}"))
import tensorflow as tf
visible = tf.config.get_visible_devices("GPU")
print(*map(tf.config.experimental.get_memory_growth, visible), tf.ones((2, 2)).device)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    growing, where = done.stdout.split()
    assert growing == "True" and where.endswith("device:GPU:0")


def train_recipe(folders):
    done = script(
        "train",
        f"@{ROOT / 'recipes' / 'cpu-vs-gpu.args'}",
        "--epochs",
        EPOCHS,
        "--repeats",
        2,
        *folders,
    )
    assert (done.returncode, done.stderr) == (0, "")


def fabricate(folders):
    for net in ("dense", "conv"):
        for device in ("cpu", "gpu"):
            for seed in (0, 1):
                folder = folders[-1] / f"cpu-vs-gpu/net={net}/device={device}/seed={seed}"
                fake_run(folder, net=net, seed=seed, epochs=EPOCHS, device=f"{device.upper()}: X")


@pytest.mark.cluster
@pytest.mark.parametrize("train", [pytest.param(train_recipe, marks=ON_GPU), fabricate])
def test_the_recipe_ends_in_a_table_of_devices(train, data_dir, tmp_path):
    train(["--data-dir", data_dir, "--results-dir", tmp_path])
    assert call("evaluate", "-m", "cpu-vs-gpu", "--results-dir", tmp_path).returncode == 0
    _, _, table = (
        (tmp_path / "comparisons/cpu-vs-gpu/table.md").read_text().partition(f"## {DEVICES}")
    )
    _, _, *rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in table.splitlines()
        if line.startswith("|")
    ]
    assert [(row[0].split()[0].strip(","), row[1][:3]) for row in rows] == [
        *(("conv", "CPU"), ("conv", "GPU"), ("dense", "CPU"), ("dense", "GPU"))
    ]
    assert [row[-1] for row in rows[::2]] == ["1", "1"]
    assert all(re.fullmatch(r"\d+\.\d\d \(\d+\.\d\d to \d+\.\d\d\)", row[-1]) for row in rows[1::2])
