"""Options of Dask clusters are checked before anything starts."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from voxome.engines.choice import StepEngines
from voxome.engines.dask import open_dask
from voxome.errors import InvalidInput, StoreError, UnknownName


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cluster": "slrum"}, "Unknown cluster 'slrum'; did you mean 'slurm'"),
        ({"cluster": "local", "queue": "long"}, "cluster=local does not take queue; it takes cores, maximum, memory"),
        ({"cluster": "tcp://127.0.0.1:1", "cores": "2"}, "cluster=ADDRESS does not take cores; it takes no option"),
        ({"maximum": "0"}, "maximum is '0'; expected an integer of at least 1"),
        ({"minimum": "3", "maximum": "2"}, "maximum=2 workers, expected at least 1 and minimum=3"),
        ({"cores": "two"}, "cores is 'two'; expected an integer"),
        ({"memory": "much"}, "memory is 'much'; expected bytes with a unit"),
        ({"job_s": "nan"}, "job_s is 'nan'; expected a number of seconds above 0"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, str], message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=message):
        open_dask(workers=2, log=tmp_path / "log", **options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_dask_logs_from_the_level_of_this_process_on(tmp_path: Path) -> None:
    code = f"""
import logging
from pathlib import Path
from voxome.engines.dask_clusters import ClusterOptions, open_cluster
logging.basicConfig(level="ERROR")
try:
    open_cluster("none", ClusterOptions(1, Path({str(tmp_path)!r})))
except ValueError:
    print(logging.getLogger("distributed.nanny").getEffectiveLevel())
"""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("DASK_")}
    shown = subprocess.run(
        [sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True
    ).stdout
    assert int(shown) == logging.ERROR


def test_an_unknown_option_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="Unknown option 'maximun' of the engine 'dask'; did you mean 'maximum'"):
        StepEngines("dask?maximun=3", ["one"], workers=1, log=tmp_path)


@pytest.mark.slow
def test_a_cluster_of_slurm_needs_the_size_of_a_job(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cluster=slurm needs the cores and memory of a job"):
        open_dask(workers=2, log=tmp_path / "log", cluster="slurm", cores="2")


@pytest.mark.slow
def test_an_interruption_is_still_one_after_a_cluster_of_slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "dask_jobqueue"]:
        monkeypatch.delitem(sys.modules, name)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(InvalidInput, match="needs the cores and memory"):
        open_dask(workers=2, log=tmp_path / "log", cluster="slurm", cores="2")
    assert "dask_jobqueue" in sys.modules
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("voxome.engines.dask_clusters._CONNECT_S", 1.0)
    with pytest.raises(StoreError, match=r"There is no Dask scheduler at tcp://127\.0\.0\.1:1: "):
        open_dask(workers=2, log=tmp_path / "log", cluster="tcp://127.0.0.1:1")
