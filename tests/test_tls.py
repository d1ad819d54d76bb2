"""Encrypted connections, by Dask's own configuration as docs/cluster.md gives it."""

import re
import shutil
import subprocess

import pytest
import yaml
from dask import config as dask_config

from tests.conftest import ROOT, assert_refused, call, dask_parts

DOCUMENT = (ROOT / "docs" / "cluster.md").read_text()
SWEEP = ("-m", "x", "--repeats", "2", "--epochs", "1", "--hidden", "8", "--dataset", "mnist5k")

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(
        not shutil.which("openssl"), reason="no openssl, which makes the certificates"
    ),
]


def configuration(folder):
    """The file of a machine that has a key of its own and the documented configuration."""
    folder.mkdir()
    (command,) = re.findall(r"^openssl .*$", DOCUMENT, re.M)
    subprocess.run(command.split(), cwd=folder, capture_output=True, check=True)
    (text,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.S)
    (folder / "tls.yaml").write_text(text.replace("/home/me/", f"{folder}/"))
    return folder / "tls.yaml"


def configured(path):
    """Within this context, this process has a file's configuration."""
    return dask_config.set(dask_config.merge(dask_config.config, yaml.safe_load(path.read_text())))


def test_a_sweep_over_tls_and_a_client_with_another_key(tmp_path):
    mine, strange = configuration(tmp_path / "mine"), configuration(tmp_path / "strange")
    environment = {"DASK_CONFIG": str(mine.parent), "PYTHONPATH": str(ROOT)}
    with dask_parts(tmp_path, "--protocol", "tls", **environment) as (address, start_part, _):
        start_part("worker", "--nthreads", "1", "--no-nanny")
        assert address.startswith("tls://")
        flags = (*SWEEP, "--scheduler", address, "--results-dir", str(tmp_path / "results"))
        assert_refused(call("train", *flags), "certificates")  # there is no such configuration
        with configured(strange):
            assert_refused(
                call("train", *flags),
                f"{address}: is it running, and its address right? Are the certificates",
            )
        with configured(mine):
            done = call("train", *flags)
    assert done.returncode == 0 and done.stderr == "", done.stderr + (tmp_path / "log").read_text()
    assert len(list((tmp_path / "results").rglob("model.keras"))) == 2
