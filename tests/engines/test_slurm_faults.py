"""What goes wrong on a Slurm cluster: refusals, lost answers, lost and late jobs, killed runs. Commands are fake."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from engines.slurm_commands import Cluster

from voxome.contracts.engine import Capacity, Job, JobResult, JobStatus, Resources
from voxome.engines import slurm_worker
from voxome.engines.element_worker import DONE
from voxome.engines.slurm import SlurmEngine, open_slurm
from voxome.errors import InvalidInput, StoreError
from voxome.testing.engine import collect, probe

Open = Callable[..., SlurmEngine]
DOWN = "sbatch: error: Batch job submission failed: Unable to contact slurm controller (connect failure)"
LIMIT = "sbatch: error: Batch job submission failed: Job violates accounting/QOS policy (job submit limit, user's size)"


@pytest.fixture
def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """Cluster whose elements wait for ever."""
    cluster = Cluster.install(tmp_path)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    quick = {"_tick_s": 0.02, "_scan_s": 0.0, "_stop_s": 1.0, "_submit_s": 0.0, "_back_off_s": (0.01, 0.01)}
    for name, value in quick.items():
        monkeypatch.setattr(SlurmEngine, name, value)
    cluster.set("hold")
    return cluster


@pytest.fixture
def open_engine(cluster: Cluster, tmp_path: Path) -> Open:
    """Function that opens the engine in one folder, as the runs of one run folder do."""

    def open_it(workers: int = 2, **options: str) -> SlurmEngine:
        defaults = {"poll": "100", "grace": "0"}
        return open_slurm(workers=workers, log=tmp_path / "logs" / "workers.log", **{**defaults, **options})

    return open_it


def _jobs(number: int) -> list[Job]:
    return [probe(f"key/0/{n}", "checksum", text=str(n)) for n in range(number)]


def _end(folder: Path, *ids: str, cluster: Cluster | None = None) -> None:
    """Write the status files of jobs, and take the elements off the queue."""
    for path in folder.glob("logs/slurm/*/*-*.json"):
        if path.name.count(".") == 1 and (name := json.loads(path.read_text())["id"]) in ids:
            status = JobStatus(name, "done", JobResult(1.0, 1, {"from": 1}))
            path.with_suffix(".result.json").write_text(json.dumps(status.to_json()))
    if cluster is not None:
        _empty(cluster)


def _empty(cluster: Cluster) -> None:
    for element in cluster.jobs():
        (cluster.state / "jobs" / element).unlink()


def _wait(engine: SlurmEngine, times: int = 5) -> list[JobStatus]:
    return [status for _ in range(times) for status in engine.wait(0.0)]


@pytest.mark.slow
def test_resources_and_options_are_those_of_sbatch(open_engine: Open, cluster: Cluster) -> None:
    engine = open_engine(partition="gpu", account="lab", qos="low", time="30", mem="3G")
    engine.submit([Job("one", "probe", resources=Resources(cpus=3, memory_bytes=(1 << 30) + 1, gpus=2))])
    engine.submit([Job("two", "probe")])
    _wait(engine)
    first, second = cluster.calls("sbatch")
    for option in ("--partition=gpu", "--account=lab", "--qos=low", "--time=30", "--no-requeue", "--array=0-0%2"):
        assert option in first
    assert [one for one in first if one.startswith(("--cpus", "--mem", "--gres"))] == [
        "--cpus-per-task=3",
        "--mem=1025M",
        "--gres=gpu:2",
    ]
    assert [one for one in second if one.startswith(("--cpus", "--mem", "--gres"))] == ["--cpus-per-task=1", "--mem=3G"]
    engine.close()


def test_a_job_can_have_what_the_largest_nodes_of_the_partition_have(open_engine: Open, cluster: Cluster) -> None:
    engine = open_engine(partition="gpu")
    cluster.set("nodes", "16|64000\n8|128000+\n64|32000\n4|1\n")
    assert engine.capacity() == Capacity(64, 64_000 << 20)
    assert "--partition=gpu" in cluster.calls("sinfo")[0]
    cluster.fail("sinfo", "sinfo: error: Unable to contact slurm controller")
    assert open_engine().capacity() == Capacity()


@pytest.mark.slow
def test_jobs_see_no_secret_and_nothing_of_the_job_that_the_runner_is_in(
    open_engine: Open, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SLURM_CPUS_PER_TASK", "SLURM_CONF", "SBATCH_PARTITION", "AWS_SECRET_ACCESS_KEY", "CHOSEN"):
        monkeypatch.setenv(name, "1")
    engine = open_engine(env="CHOSEN")
    engine.submit(_jobs(1))
    _wait(engine)
    (environment,) = cluster.environments()
    assert {"SLURM_CONF", "CHOSEN", "PATH"} <= set(environment)
    assert not {"SLURM_CPUS_PER_TASK", "SBATCH_PARTITION", "AWS_SECRET_ACCESS_KEY"} & set(environment)
    assert environment["OMP_NUM_THREADS"] == "1"
    engine.close()
    with pytest.raises(InvalidInput, match="env names NOT_SET, which is not set"):
        open_engine(env="NOT_SET")


@pytest.mark.slow
def test_arrays_stay_below_the_limits_of_the_site(open_engine: Open, cluster: Cluster, tmp_path: Path) -> None:
    cluster.set("MaxArraySize", "5")
    engine = open_engine(workers=20, array="12")
    engine.submit(_jobs(14))
    _wait(engine)
    arrays = [next(one for one in call if one.startswith("--array")) for call in cluster.calls("sbatch")]
    assert arrays == ["--array=0-4%20", "--array=0-4%15", "--array=0-1%10"]
    _end(tmp_path, "key/0/0", "key/0/1", "key/0/2")
    assert len(_wait(engine)) == 3
    assert len(cluster.calls("sbatch")) == 4
    engine.close()


@pytest.mark.slow
def test_elements_that_run_at_once_are_limited_by_the_workers(
    open_engine: Open, cluster: Cluster, tmp_path: Path
) -> None:
    engine = open_engine(workers=2)
    engine.submit(_jobs(3))
    _wait(engine)
    engine.submit([probe("later", "checksum", text="")])
    _wait(engine)
    assert len(cluster.calls("sbatch")) == 1
    _end(tmp_path, "key/0/0", "key/0/1")
    _wait(engine)
    assert len(cluster.calls("sbatch")) == 2
    assert cluster.calls("sbatch")[1][1] == "--array=0-0%1"
    engine.submit([probe(name, "checksum", text="") for name in ("a", "b")])
    _wait(engine)
    _end(tmp_path, "key/0/2")
    _wait(engine)
    assert cluster.calls("sbatch")[2][1] == "--array=0-1%1"
    _end(tmp_path, "later")
    _wait(engine)
    assert cluster.calls("scontrol")[-1] == ["update", "JobId=3", "ArrayTaskThrottle=2"]
    engine.close()


def test_what_slurm_refuses_for_good_has_failed(open_engine: Open, cluster: Cluster) -> None:
    cluster.fail("sbatch", "sbatch: error: invalid partition specified: gpuu")
    engine = open_engine(partition="gpuu")
    engine.submit(_jobs(2))
    statuses = _wait(engine)
    assert [(one.state, one.retryable) for one in statuses] == [("failed", False)] * 2
    assert "Slurm refused it: sbatch ended with status 1: sbatch: error: invalid partition" in statuses[0].error
    assert cluster.jobs() == []
    engine.close()


@pytest.mark.slow
def test_a_controller_that_is_down_is_tried_again(
    open_engine: Open, cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.fail("sbatch", DOWN, DOWN)
    engine = open_engine()
    engine.submit(_jobs(2))
    deadline = time.monotonic() + 120
    while not cluster.jobs() and time.monotonic() < deadline:
        assert list(engine.wait(0.05)) == []
    assert "Slurm takes no jobs now" in caplog.text
    _end(tmp_path, "key/0/0", "key/0/1", cluster=cluster)
    assert {one.state for one in collect(engine, 2).values()} == {"done"}
    engine.close()


def test_a_controller_that_stays_down_fails_the_jobs_in_the_end(open_engine: Open, cluster: Cluster) -> None:
    cluster.fail("sbatch", *[DOWN] * 5)
    engine = open_engine(patience="0")
    engine.submit(_jobs(1))
    assert [one.state for one in _wait(engine)] == ["failed"]


@pytest.mark.slow
def test_an_array_whose_answer_got_lost_is_not_submitted_twice(open_engine: Open, cluster: Cluster) -> None:
    cluster.fail("sbatch", "late:sbatch: error: Socket timed out on send/recv operation")
    engine = open_engine()
    engine.submit(_jobs(2))
    for _ in range(5):
        assert list(engine.wait(0.02)) == []
    assert len(cluster.calls("sbatch")) == 1
    assert len(cluster.jobs()) == 2
    engine.close()
    assert cluster.jobs() == []


@pytest.mark.slow
def test_fewer_jobs_are_submitted_where_a_limit_is_met(open_engine: Open, cluster: Cluster, tmp_path: Path) -> None:
    cluster.fail("sbatch", LIMIT, LIMIT)
    engine = open_engine(workers=8)
    engine.submit(_jobs(8))
    deadline = time.monotonic() + 120
    while not cluster.jobs() and time.monotonic() < deadline:
        assert list(engine.wait(0.02)) == []
    assert len(cluster.jobs()) == 2
    done: list[str] = []
    while len(done) < 8 and time.monotonic() < deadline:
        _end(tmp_path, *(f"key/0/{n}" for n in range(8)), cluster=cluster)
        done += [status.id for status in engine.wait(0.02)]
    assert sorted(done) == sorted(job.id for job in _jobs(8))
    engine.close()


@pytest.mark.slow
def test_a_limit_that_own_jobs_meet_is_waited_for(open_engine: Open, cluster: Cluster, tmp_path: Path) -> None:
    engine = open_engine(workers=8, patience="0")
    engine.submit(_jobs(2))
    _wait(engine, 1)
    cluster.fail("sbatch", LIMIT)
    engine.submit([probe("more", "checksum", text="")])
    for _ in range(3):
        assert list(engine.wait(0.02)) == []
    assert len(cluster.calls("sbatch")) == 2
    engine.close()


@pytest.mark.slow
def test_nothing_is_concluded_from_a_queue_that_cannot_be_read(
    open_engine: Open, cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = open_engine(poll="0")
    engine.submit(_jobs(2))
    _wait(engine, 2)
    cluster.fail("squeue", *["slurm_load_jobs error: Unable to contact slurm controller"] * 4)
    assert _wait(engine, 3) == []
    assert "nothing is concluded" in caplog.text
    _end(tmp_path, "key/0/0")
    assert [one.id for one in engine.wait(0.0)] == ["key/0/0"]
    engine.close()


@pytest.mark.slow
def test_a_job_that_left_the_queue_without_a_status_is_lost_after_a_time_of_grace(
    open_engine: Open, cluster: Cluster, tmp_path: Path
) -> None:
    cluster.set("vanish")
    engine = open_engine(poll="0", grace="1")
    engine.submit(_jobs(1))
    assert _wait(engine, 3) == []
    (status,) = collect(engine, 1).values()
    assert (status.state, status.retryable) == ("lost", True)
    assert "left the queue without a status file in 1 s; its log is" in status.error
    assert status.error.rpartition(" ")[2] in (tmp_path / "logs" / "workers.log").read_text()
    engine.close()


@pytest.mark.slow
def test_a_status_file_may_appear_late(open_engine: Open, cluster: Cluster, tmp_path: Path) -> None:
    engine = open_engine(poll="0", grace="30")
    engine.submit(_jobs(1))
    _wait(engine)
    _empty(cluster)
    assert _wait(engine) == []
    _end(tmp_path, "key/0/0")
    assert [one.state for one in engine.wait(0.0)] == ["done"]
    assert len(cluster.calls("sbatch")) == 1
    engine.close()


@pytest.mark.slow
def test_a_resumed_run_adopts_jobs_in_the_queue_and_those_that_have_ended(
    open_engine: Open, cluster: Cluster, tmp_path: Path
) -> None:
    killed = open_engine()
    killed.submit(_jobs(4))
    _wait(killed)
    _end(tmp_path, "key/0/1")
    resumed = open_engine()
    resumed.submit(_jobs(4))
    assert [one.id for one in _wait(resumed)] == ["key/0/1"]
    _end(tmp_path, "key/0/0", "key/0/2", "key/0/3", cluster=cluster)
    assert set(collect(resumed, 3)) == {"key/0/0", "key/0/2", "key/0/3"}
    assert len(cluster.calls("sbatch")) == 1
    resumed.close()
    assert not list(tmp_path.glob("logs/slurm/*/*.json"))


@pytest.mark.slow
def test_a_status_that_was_not_recorded_is_reported_again(open_engine: Open, cluster: Cluster, tmp_path: Path) -> None:
    killed = open_engine()
    killed.submit(_jobs(2))
    _wait(killed)
    _end(tmp_path, "key/0/0", "key/0/1", cluster=cluster)
    assert len(list(killed.wait(0.0))) == 2
    resumed = open_engine()
    resumed.submit(_jobs(2))
    assert len(list(resumed.wait(0.0))) == 2
    assert _wait(resumed) == []
    last = open_engine()
    last.submit(_jobs(1))
    assert _wait(last) == []
    assert len(cluster.calls("sbatch")) == 2
    last.close()


@pytest.mark.slow
def test_jobs_of_an_earlier_run_are_cancelled_where_they_have_changed_or_are_cancelled_or_not_needed(
    open_engine: Open, cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    killed = open_engine(workers=4)
    killed.submit(_jobs(4))
    _wait(killed)
    _end(tmp_path, "key/0/2")
    resumed = open_engine(workers=4)
    resumed.cancel(["key/0/1", "key/0/2"])
    assert cluster.jobs() == ["1_0", "1_3"]
    resumed.submit([probe("key/0/0", "checksum", text="other"), *_jobs(3)[1:]])
    assert _wait(resumed) == []
    assert cluster.jobs() == ["1_3", "2_0", "2_1", "2_2"]
    resumed.close()
    assert cluster.jobs() == []
    assert "Jobs may run on" not in caplog.text


@pytest.mark.slow
def test_a_cluster_that_cannot_be_used_is_named_at_once(
    open_engine: Open, cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InvalidInput, match="group of the engine slurm is 'many'; expected a whole number of at least"):
        open_engine(group="many")
    cluster.set("MaxArraySize", "0")
    with pytest.raises(InvalidInput, match="allows no job arrays"):
        open_engine()
    cluster.fail("scontrol", "Unable to contact slurm controller")
    with pytest.raises(StoreError, match="Slurm does not answer: scontrol ended with status 1"):
        open_engine()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InvalidInput, match="scontrol is not on the path"):
        open_engine()


@pytest.mark.slow
def test_a_job_that_dies_in_a_group_is_lost_alone(open_engine: Open, cluster: Cluster, tmp_path: Path) -> None:
    cluster.unset("hold")
    engine = open_engine(workers=1, group="3", grace="5")
    assert engine.slots == 3
    engine.submit([probe("dies", "die"), *_jobs(2)])
    statuses = collect(engine, 3)
    assert {name: one.state for name, one in statuses.items()} == {"dies": "lost", "key/0/0": "done", "key/0/1": "done"}
    assert "its worker was killed by signal 9; its log is" in statuses["dies"].error
    assert len(cluster.calls("sbatch")) == 1
    engine.close()


@pytest.mark.slow
def test_jobs_that_a_lost_element_never_started_run_again_without_blame(
    open_engine: Open, cluster: Cluster, tmp_path: Path
) -> None:
    cluster.unset("hold")
    engine = open_engine(poll="0", workers=1, group="3", grace="1")
    (tmp_path / "slow").mkdir()
    engine.submit([probe("slow", "sleep", folder=str(tmp_path / "slow"), seconds=600.0), *_jobs(2)])
    deadline = time.monotonic() + 120
    while not (tmp_path / "slow" / "started").exists() and time.monotonic() < deadline:
        assert list(engine.wait(0.02)) == []
    cluster.perform("scancel", ["--quiet", *cluster.jobs()])
    statuses = collect(engine, 3)
    assert {name: one.state for name, one in statuses.items()} == {"slow": "lost", "key/0/0": "done", "key/0/1": "done"}
    engine.close()


@pytest.mark.slow
def test_an_array_that_a_killed_run_did_not_submit_is_submitted_without_blame(
    open_engine: Open, cluster: Cluster, tmp_path: Path
) -> None:
    cluster.fail("sbatch", DOWN)
    killed = open_engine()
    killed.submit(_jobs(2))
    _wait(killed, 1)
    assert cluster.jobs() == []
    resumed = open_engine(poll="0")
    resumed.submit(_jobs(2))
    assert _wait(resumed) == []
    assert len(cluster.jobs()) == 2
    _end(tmp_path, "key/0/0", "key/0/1", cluster=cluster)
    assert {one.state for one in collect(resumed, 2).values()} == {"done"}
    resumed.close()


@pytest.mark.slow
def test_a_job_that_slurm_stopped_at_its_time_limit_has_failed(
    open_engine: Open, cluster: Cluster, tmp_path: Path
) -> None:
    engine = open_engine(workers=3, poll="0")
    engine.submit(_jobs(3))
    _wait(engine, 1)
    cluster.set("ends", "TIMEOUT OUT_OF_MEMORY COMPLETED")
    _end(tmp_path, "key/0/2", cluster=cluster)
    statuses = collect(engine, 3)
    assert [statuses[f"key/0/{n}"].state for n in range(3)] == ["failed", "lost", "done"]
    assert statuses["key/0/0"].error_type == "TimeoutError"
    assert "ended as TIMEOUT (0:0); give more time (time=)" in statuses["key/0/0"].error
    assert "ended as OUT_OF_MEMORY (0:0); a retry asks for more memory" in statuses["key/0/1"].error
    engine.close()


@pytest.mark.slow
def test_a_queue_that_cannot_be_read_does_not_say_that_jobs_are_gone(
    open_engine: Open, cluster: Cluster, caplog: pytest.LogCaptureFixture
) -> None:
    engine = open_engine()
    engine.submit(_jobs(2))
    _wait(engine, 1)
    cluster.fail("squeue", "", *[DOWN] * 1000)
    cluster.fail("scancel", DOWN)
    engine.cancel(["key/0/0"])
    assert "Jobs may run on; stop those of the name" in caplog.text
    cluster.fail("squeue", *[DOWN] * 1000)
    engine.cancel(["key/0/1"])
    assert len(cluster.calls("squeue")) > 3
    (cluster.state / "squeue.errors").unlink()
    engine.close()


@pytest.mark.slow
def test_jobs_whose_element_is_stopped_for_another_keep_their_results(
    open_engine: Open, cluster: Cluster, tmp_path: Path
) -> None:
    engine = open_engine(workers=1, group="3")
    engine.submit(_jobs(3))
    _wait(engine, 1)
    _end(tmp_path, "key/0/0")
    engine.cancel(["key/0/1"])
    assert cluster.jobs() == []
    assert [(one.id, one.state) for one in _wait(engine)] == [("key/0/0", "done")]
    assert cluster.jobs() == ["2_0"]
    _end(tmp_path, "key/0/2", cluster=cluster)
    assert set(collect(engine, 1)) == {"key/0/2"}
    engine.close()


def test_an_element_that_starts_again_performs_no_job_that_has_a_status(tmp_path: Path) -> None:
    job = probe("one", "sleep", folder=str(tmp_path), seconds=0.0)
    (tmp_path / "0-0.json").write_text(json.dumps(job.to_json()))
    assert slurm_worker.perform_element(tmp_path, 0, 2) == DONE
    assert JobStatus.from_json(json.loads((tmp_path / "0-0.result.json").read_text())).state == "done"
    (tmp_path / "started").unlink()
    assert slurm_worker.perform_element(tmp_path, 0, 2) == DONE
    assert not (tmp_path / "started").exists()
    (tmp_path / "0-0.result.json").write_text("half of a st")
    assert slurm_worker.perform_element(tmp_path, 0, 1) == DONE
    assert (tmp_path / "started").exists()
