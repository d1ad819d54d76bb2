"""Encrypted connections, by Dask's own configuration as docs/cluster.md gives it."""

import json
import os
import re
import shutil
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, assert_refused, call, script

DOCUMENT = (ROOT / "docs" / "cluster.md").read_text()
SWEEP = ("-m", "x", "--repeats", "2", "--epochs", "1", "--hidden", "8", "--dataset", "mnist5k")

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl, which makes the certificates"),
]


def configuration(folder):
    """The environment of a machine that has a key of its own and the documented configuration."""
    folder.mkdir()
    (command,) = re.findall(r"^openssl .*$", DOCUMENT, re.M)
    subprocess.run(command.split(), cwd=folder, capture_output=True, check=True)
    (text,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.S)
    (folder / "tls.yaml").write_text(text.replace("/home/me/", f"{folder}/"))
    return os.environ | {"DASK_CONFIG": str(folder)}


def test_a_sweep_over_tls_and_a_client_with_another_key(tmp_path):
    mine, strange = configuration(tmp_path / "mine"), configuration(tmp_path / "strange")
    address_file = tmp_path / "scheduler.json"
    with open(tmp_path / "log", "w") as log:

        def dask(part, *flags, **more):
            command = [sys.executable, "-m", f"distributed.cli.dask_{part}", "--scheduler-file", str(address_file), *flags]
            command += ["--dashboard-address", ":0"]
            return subprocess.Popen(command, cwd=tmp_path, env=mine | more, stdout=log, stderr=log)

        parts = [dask("scheduler", "--protocol", "tls", "--port", "0")]
        try:
            parts.append(dask("worker", "--nthreads", "1", "--no-nanny", PYTHONPATH=str(ROOT)))
            while not address_file.exists():
                assert parts[0].poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.05)
            address = json.loads(address_file.read_text())["address"]
            flags = (*SWEEP, "--scheduler", address, "--results-dir", str(tmp_path / "results"))
            refused = script("train", *flags, env=strange)
            unencrypted = call("train", *flags)  # this process has no such configuration
            done = script("train", *flags, env=mine)
        finally:
            for part in reversed(parts):
                part.terminate()
                part.wait()
    assert address.startswith("tls://")
    assert_refused(refused, address)
    assert_refused(unencrypted, address)
    assert done.returncode == 0 and done.stderr == "", done.stderr + (tmp_path / "log").read_text()
    assert len(list((tmp_path / "results").rglob("model.keras"))) == 2
