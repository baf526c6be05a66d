"""What goes wrong in AWS Batch: refusals, lost answers, lost jobs, killed runs. Jobs wait until a test ends them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from peers.s3 import BUCKET, Bucket
from standins.awsbatch import FAILED, LATE, SPOT, THROTTLED, TIMED_OUT, BatchStandIn, Fault
from standins.faulty_proxy import Answer, FaultyProxy

import voxome
from voxome.contracts.engine import Job, JobResult, JobStatus, Resources
from voxome.engines import awsbatch_api, awsbatch_engine, awsbatch_worker
from voxome.engines.awsbatch import open_awsbatch
from voxome.engines.awsbatch_engine import BatchEngine
from voxome.engines.element_worker import DONE, MISSING
from voxome.errors import AccessDenied, InvalidInput, StoreError
from voxome.testing.engine import collect, probe

pytestmark = pytest.mark.slow

Open = Callable[..., BatchEngine]


class Cloud:
    """AWS Batch and a prefix of a bucket."""

    def __init__(self, batch: BatchStandIn, bucket: Bucket, key: str) -> None:
        self.batch, self.bucket, self.key = batch, bucket, key

    def finish(self, *ids: str, state: str = "SUCCEEDED") -> None:
        """Write the results of jobs, and end them in AWS Batch."""
        for key in self.bucket.keys(self.key):
            text = self.bucket.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
            if "/jobs/" in key and (name := json.loads(text)["id"]) in ids:
                status = JobStatus(name, "done", JobResult(1.0, 1, {"from": 1}))
                result = key.replace("/jobs/", "/results/")
                self.bucket.client.put_object(Bucket=BUCKET, Key=result, Body=json.dumps(status.to_json()))
                self.child(key.rpartition("/")[2]).end(state, "")

    def child(self, name: str) -> Any:
        """Return the job of AWS Batch whose job file has a name."""
        unique, index, _ = name.removesuffix(".json").split("-")
        for one in self.batch.submissions.values():
            if one.request["parameters"]["array"] == unique:
                return one.children[int(index)]
        raise LookupError(name)


@pytest.fixture
def cloud(
    aws_batch: BatchStandIn, bucket: Bucket, fresh_key: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> Cloud:
    for name, value in {"_scan_s": 0.0, "_stop_s": 1.0, "_submit_s": 0.0, "_back_off_s": (0.01, 0.01)}.items():
        monkeypatch.setattr(BatchEngine, name, value)
    aws_batch.script.hold = True
    return Cloud(aws_batch, bucket, fresh_key())


@pytest.fixture
def open_engine(cloud: Cloud, tmp_path: Path) -> Open:
    """Function that opens the engine in one folder, as the runs of one run folder do."""

    def open_it(workers: int = 8, **options: str) -> BatchEngine:
        usual = {"store": cloud.bucket.uri(cloud.key), "queue": cloud.batch.queue, "image": "lab/voxome:1"}
        (tmp_path / "logs").mkdir(exist_ok=True)
        return open_awsbatch(
            workers=workers, log=tmp_path / "logs" / "workers.log", **{**usual, "poll": "0", "grace": "0", **options}
        )

    return open_it


def _jobs(number: int) -> list[Job]:
    return [probe(f"key/0/{n}", "checksum", text=str(n)) for n in range(number)]


def _wait(engine: BatchEngine, times: int = 3) -> list[JobStatus]:
    return [status for _ in range(times) for status in engine.wait(0.0)]


def test_containers_get_their_resources_and_nobody_gets_a_credential(
    open_engine: Open, cloud: Cloud, tmp_path: Path
) -> None:
    role = "arn:aws:iam::123456789012:role/jobs"
    engine = open_engine(role=role, logs="/lab/voxome", limit_s="90", mem="3G")
    engine.submit([Job("one", "probe", resources=Resources(cpus=3, memory_bytes=(1 << 30) + 1, gpus=2))])
    engine.submit([Job("two", "probe")])
    _wait(engine)
    (definition,) = cloud.batch.bodies("registerjobdefinition")
    assert (definition["timeout"], definition["retryStrategy"]) == ({"attemptDurationSeconds": 90}, {"attempts": 1})
    container = definition["containerProperties"]
    assert container["command"][:3] == ["python", "-m", "voxome.engines.awsbatch_worker"]
    assert (container["image"], container["jobRoleArn"]) == ("lab/voxome:1", role)
    assert container["logConfiguration"]["options"]["awslogs-group"] == "/lab/voxome"
    needs = [
        {one["type"]: one["value"] for one in body["containerOverrides"]["resourceRequirements"]}
        for body in cloud.batch.bodies("submitjob")
    ]
    assert needs == [{"VCPU": "3", "MEMORY": "1025", "GPU": "2"}, {"VCPU": "1", "MEMORY": "3072"}]
    records = "".join(path.read_text() for path in (tmp_path / "logs").rglob("*") if path.is_file())
    objects = "".join(
        cloud.bucket.client.get_object(Bucket=BUCKET, Key=key)["Body"].read().decode()
        for key in cloud.bucket.keys(cloud.key)
    )
    for text in (json.dumps(cloud.batch.requests), records, objects):
        assert text
        assert "hush-hush" not in text
        assert "AKIATEST" not in text
    engine.close()
    open_engine(role=role, logs="/lab/voxome", limit_s="90", mem="3G").close()
    assert len(cloud.batch.bodies("registerjobdefinition")) == 1


def test_a_job_can_have_what_the_compute_environments_of_the_queue_have(
    open_engine: Open, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert open_engine().capacity().cpus is None  # an environment without management has no limit
    engine, found = open_engine(), [{"computeResources": {"maxvCpus": one}} for one in (16, 256)]
    client = engine._batch._client
    monkeypatch.setattr(client, "describe_compute_environments", lambda **_: {"computeEnvironments": found})
    assert engine.capacity().cpus == 256
    assert "lower ramMin" in engine.capacity().problem(Resources(memory_bytes=10**18))
    cloud.batch.script.faults["describecomputeenvironments"] = [Fault(403, "AccessDeniedException")]
    assert open_engine().capacity().cpus is None


def test_arrays_have_at_most_as_many_jobs_as_may_run_and_aws_takes(
    open_engine: Open, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert awsbatch_api.LARGEST_ARRAY == 10_000
    monkeypatch.setattr(awsbatch_engine, "LARGEST_ARRAY", 5)
    engine = open_engine(workers=11)
    engine.submit(_jobs(14))
    _wait(engine)
    sizes = [body.get("arrayProperties", {}).get("size", 1) for body in cloud.batch.bodies("submitjob")]
    assert sizes == [5, 5, 1]
    cloud.finish("key/0/0", "key/0/7")
    assert {one.id for one in _wait(engine)} == {"key/0/0", "key/0/7"}
    assert cloud.batch.bodies("submitjob")[-1]["arrayProperties"] == {"size": 2}
    engine.close()


def test_children_perform_groups_of_jobs_and_the_first_without_a_result_is_lost(
    open_engine: Open, cloud: Cloud
) -> None:
    engine = open_engine(workers=2, group="3")
    assert engine.slots == 6
    engine.submit(_jobs(5))
    _wait(engine)
    (body,) = cloud.batch.bodies("submitjob")
    assert (body["arrayProperties"], body["parameters"]["places"]) == ({"size": 2}, "3")
    cloud.finish("key/0/0", state="RUNNING")
    assert [one.id for one in _wait(engine)] == ["key/0/0"]
    cloud.batch.end(cloud.batch.children()[0], SPOT)
    assert [(one.id, one.state) for one in _wait(engine)] == [("key/0/1", "lost")]
    assert [body["parameters"]["places"] for body in cloud.batch.bodies("submitjob")] == ["3", "1"]
    cloud.finish("key/0/2", "key/0/3", "key/0/4")
    assert set(collect(engine, 3)) == {"key/0/2", "key/0/3", "key/0/4"}
    engine.close()


def test_a_group_of_jobs_runs_in_a_container_one_after_the_other(open_engine: Open, cloud: Cloud) -> None:
    cloud.batch.script.hold = False
    engine = open_engine(workers=1, group="3", poll="1")
    engine.submit([_jobs(2)[0], probe("dies", "die"), _jobs(2)[1]])
    statuses = collect(engine, 3)
    assert {name: one.state for name, one in statuses.items()} == {"key/0/0": "done", "dies": "lost", "key/0/1": "done"}
    assert "its worker was killed by signal 9; its log is the log stream" in statuses["dies"].error
    assert len(cloud.batch.submissions) == 1
    engine.close()


def test_states_are_requested_for_a_hundred_jobs_at_a_time(
    open_engine: Open, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(awsbatch_engine, "LARGEST_ARRAY", 1)
    engine = open_engine(workers=120)
    engine.submit(_jobs(120))
    _wait(engine, 121)
    assert [len(body["jobs"]) for body in cloud.batch.bodies("describejobs")][-2:] == [100, 20]
    assert awsbatch_api.DESCRIBED_AT_ONCE == 100
    engine.close()


@pytest.mark.parametrize("fault", [THROTTLED, FAILED])
def test_a_request_that_aws_does_not_take_now_is_repeated(
    open_engine: Open, cloud: Cloud, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.batch.script.faults["submitjob"] = [fault, fault]
    engine = open_engine()
    engine.submit(_jobs(2))
    deadline = time.monotonic() + 120
    while not cloud.batch.submissions and time.monotonic() < deadline:
        assert list(engine.wait(0.02)) == []
    assert "AWS Batch takes no jobs now, and is tried again" in caplog.text
    cloud.finish("key/0/0", "key/0/1")
    assert {one.state for one in collect(engine, 2).values()} == {"done"}
    assert len(cloud.batch.submissions) == 1
    engine.close()


def test_a_job_whose_answer_got_lost_is_not_submitted_twice(open_engine: Open, cloud: Cloud) -> None:
    cloud.batch.script.faults["submitjob"] = [LATE]
    engine = open_engine()
    engine.submit(_jobs(2))
    for _ in range(5):
        assert list(engine.wait(0.02)) == []
    assert len(cloud.batch.bodies("submitjob")) == 1
    cloud.finish("key/0/0", "key/0/1")
    assert set(collect(engine, 2)) == {"key/0/0", "key/0/1"}
    engine.close()


def test_what_aws_refuses_for_good_or_for_too_long_has_failed(open_engine: Open, cloud: Cloud) -> None:
    cloud.batch.script.faults["submitjob"] = [Fault(403, "AccessDeniedException")]
    engine = open_engine()
    engine.submit(_jobs(2))
    statuses = _wait(engine, 1)
    assert [(one.state, one.retryable) for one in statuses] == [("failed", False)] * 2
    assert "AWS Batch refused it: submit_job was answered with 403 AccessDeniedException" in statuses[0].error
    engine.close()
    cloud.batch.script.faults["submitjob"] = [THROTTLED] * 5
    engine = open_engine(patience="0")
    engine.submit(_jobs(1))
    assert [one.state for one in _wait(engine, 1)] == ["failed"]
    assert cloud.batch.submissions == {}
    engine.close()


@pytest.mark.parametrize("fault", [THROTTLED, FAILED])
def test_nothing_is_concluded_from_states_that_cannot_be_had(
    open_engine: Open, cloud: Cloud, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    engine = open_engine()
    engine.submit(_jobs(2))
    _wait(engine)
    cloud.batch.script.faults["describejobs"] = [fault] * 4
    assert _wait(engine) == []
    assert "The states of jobs are unknown, and nothing is concluded" in caplog.text
    cloud.finish("key/0/0")
    assert [one.id for one in engine.wait(0.0)] == ["key/0/0"]
    engine.close()


def test_a_job_that_aws_has_forgotten_is_lost_unless_there_is_a_result(open_engine: Open, cloud: Cloud) -> None:
    engine = open_engine(grace="1")
    engine.submit(_jobs(2))
    _wait(engine)
    cloud.batch.script.forgotten |= set(cloud.batch.submissions)
    assert _wait(engine) == []
    cloud.finish("key/0/0")
    states = {name: one.state for name, one in collect(engine, 2).items()}
    assert states == {"key/0/0": "done", "key/0/1": "lost"}
    assert len(cloud.batch.submissions) == 1
    engine.close()


@pytest.mark.parametrize(
    ("reason", "container", "code", "state", "retryable", "text"),
    [
        (SPOT, "", None, "lost", True, f"its job ended as FAILED ({SPOT}), without a result"),
        (TIMED_OUT, "", 137, "failed", True, "it ran longer than 60 s, the limit of the engine's option limit_s"),
        (
            "Essential container in task exited",
            "OutOfMemoryError: Container killed due to memory usage",
            137,
            "lost",
            True,
            "OutOfMemoryError: Container killed",
        ),
        (
            "Task failed to start",
            "CannotPullContainerError: pull image manifest has been retried: lab/voxome:1: not found",
            None,
            "failed",
            False,
            "the image lab/voxome:1 cannot be had",
        ),
    ],
)
def test_a_job_without_a_result_ends_as_aws_says(
    open_engine: Open,
    cloud: Cloud,
    tmp_path: Path,
    reason: str,
    container: str,
    code: int | None,
    state: str,
    retryable: bool,
    text: str,
) -> None:
    engine = open_engine(limit_s="60")
    engine.submit(_jobs(3))
    _wait(engine)
    cloud.batch.end(cloud.batch.children()[1], reason, container, code)
    (status,) = _wait(engine)
    assert (status.id, status.state, status.retryable) == ("key/0/1", state, retryable)
    assert text in status.error
    assert f"Job key/0/1 {state}: " in (tmp_path / "logs" / "workers.log").read_text()
    engine.close()


@pytest.mark.parametrize("listed", [True, False])
def test_a_result_decides_against_the_state_of_its_job(
    open_engine: Open, cloud: Cloud, listed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine()
    engine.submit(_jobs(2))
    _wait(engine)
    if not listed:
        monkeypatch.setattr(BatchEngine, "_scan_s", 1000.0)
    cloud.finish("key/0/0", state="FAILED")
    cloud.batch.children()[1].end("SUCCEEDED", "", 0)
    states = {one.id: one for one in _wait(engine)}
    assert states["key/0/0"].state == "done"
    assert states["key/0/1"].state == "lost"
    assert "ended as SUCCEEDED with exit status 0, without a result" in states["key/0/1"].error
    engine.close()


def test_nothing_is_concluded_while_s3_fails(open_engine: Open, cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    with FaultyProxy(cloud.bucket.url) as proxy:
        engine = open_engine(store=cloud.bucket.uri(cloud.key, endpoint=proxy.url))
        engine.submit(_jobs(2))
        _wait(engine)
        voxome.configure(retries=0)
        cloud.finish("key/0/0")
        proxy.chance(1.0, Answer(503), seed=0, target="GET .*list-type")
        assert [one.id for one in _wait(engine)] == ["key/0/0"]
        cloud.finish("key/0/1")
        proxy.chance(1.0, Answer(503), seed=0, target="GET .*/results/")
        assert _wait(engine) == []
        assert "Results cannot be read now, and nothing is concluded from that" in caplog.text
        proxy.reset()
        proxy.chance(1.0, Answer(403), seed=0, target="GET")
        with pytest.raises(AccessDenied):
            _wait(engine, 1)
        proxy.reset()
        assert [(one.id, one.state) for one in _wait(engine)] == [("key/0/1", "done")]
        engine.close()


def test_a_resumed_run_adopts_jobs_that_wait_and_those_that_have_ended(
    open_engine: Open, cloud: Cloud, tmp_path: Path
) -> None:
    killed = open_engine()
    killed.submit(_jobs(4))
    _wait(killed)
    cloud.finish("key/0/1")
    resumed = open_engine()
    resumed.submit(_jobs(4))
    assert [one.id for one in _wait(resumed)] == ["key/0/1"]
    cloud.finish("key/0/0", "key/0/2", "key/0/3")
    assert set(collect(resumed, 3)) == {"key/0/0", "key/0/2", "key/0/3"}
    assert len(cloud.batch.bodies("submitjob")) == 1
    resumed.close()
    assert not list(tmp_path.glob("logs/awsbatch/*.*"))
    assert cloud.bucket.keys(cloud.key) == []


@pytest.mark.parametrize("reached", [True, False])
def test_a_run_that_was_killed_while_it_submitted_is_resumed(open_engine: Open, cloud: Cloud, reached: bool) -> None:
    cloud.batch.script.faults["submitjob"] = [LATE if reached else FAILED]
    killed = open_engine()
    killed.submit(_jobs(2))
    _wait(killed, 1)
    resumed = open_engine()
    resumed.submit(_jobs(2))
    for _ in range(5):
        assert list(resumed.wait(0.02)) == []
    assert len(cloud.batch.submissions) == 1
    cloud.finish("key/0/0", "key/0/1")
    assert set(collect(resumed, 2)) == {"key/0/0", "key/0/1"}
    resumed.close()


def test_a_status_that_was_not_recorded_is_reported_again_and_a_recorded_one_is_not(
    open_engine: Open, cloud: Cloud
) -> None:
    killed = open_engine()
    killed.submit(_jobs(2))
    _wait(killed)
    cloud.finish("key/0/0", "key/0/1")
    assert len(list(killed.wait(0.0))) == 2
    resumed = open_engine()
    resumed.submit(_jobs(2))
    assert len(list(resumed.wait(0.0))) == 2
    assert _wait(resumed) == []
    last = open_engine()
    last.submit(_jobs(1))
    assert _wait(last) == []
    assert len(cloud.batch.bodies("submitjob")) == 2
    last.close()


def test_jobs_of_an_earlier_run_are_terminated_where_they_have_changed_or_are_cancelled_or_not_needed(
    open_engine: Open, cloud: Cloud
) -> None:
    killed = open_engine()
    killed.submit(_jobs(4))
    _wait(killed)
    cloud.finish("key/0/2")
    resumed = open_engine()
    resumed.cancel(["key/0/1", "key/0/2"])
    assert [one.status for one in cloud.batch.children()] == ["RUNNABLE", "FAILED", "SUCCEEDED", "RUNNABLE"]
    resumed.submit([probe("key/0/0", "checksum", text="other"), *_jobs(3)[1:]])
    assert _wait(resumed) == []
    assert [one.status for one in cloud.batch.children()][:4] == ["FAILED", "FAILED", "SUCCEEDED", "RUNNABLE"]
    assert [body.get("arrayProperties") for body in cloud.batch.bodies("submitjob")] == [{"size": 4}, {"size": 3}]
    resumed.close()
    assert {one.status for one in cloud.batch.children()} == {"FAILED", "SUCCEEDED"}


def test_a_throttled_termination_is_repeated(open_engine: Open, cloud: Cloud) -> None:
    engine = open_engine()
    engine.submit(_jobs(2))
    _wait(engine)
    cloud.batch.script.faults["terminatejob"] = [THROTTLED, FAILED]
    engine.close()
    assert {one.status for one in cloud.batch.children()} == {"FAILED"}
    assert [body["jobId"] for body in cloud.batch.bodies("terminatejob")] == list(cloud.batch.submissions) * 3


def test_what_cannot_be_used_is_named_at_once(open_engine: Open, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    for options, message in (
        ({"queue": ""}, "awsbatch needs queue; write awsbatch[?]queue=NAME&image=IMAGE"),
        ({"image": ""}, "awsbatch needs image"),
        ({"store": "/data/run"}, "keeps jobs and results on S3, and the store is '/data/run'; give --store s3://"),
        ({"limit_s": "59"}, "limit_s of the engine awsbatch is '59'; expected a whole number of at least 60"),
        ({"mem": "much"}, "mem of the engine awsbatch is 'much'; expected a size such as 4G"),
        ({"queue": "no-such"}, "The job queue no-such does not exist in us-east-1"),
    ):
        with pytest.raises(InvalidInput, match=message):
            open_engine(**options)
    cloud.batch.script.faults["describejobqueues"] = [Fault(403, "AccessDeniedException")]
    with pytest.raises(StoreError, match="AWS Batch cannot be used: describe_job_queues was answered with 403"):
        open_engine()
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(InvalidInput, match="AWS Batch needs a region; write awsbatch"):
        open_engine()


def test_a_worker_performs_no_job_that_is_done_and_none_that_is_gone(
    cloud: Cloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, job = str(tmp_path), probe("one", "sleep", folder=str(tmp_path), seconds=0.0)
    (tmp_path / "jobs").mkdir()
    (tmp_path / "jobs" / "a-0-0.json").write_text(json.dumps(job.to_json()))
    for _ in range(2):
        assert awsbatch_worker.main([folder, "a", "1"]) == DONE
        assert JobStatus.from_json(json.loads((tmp_path / "results" / "a-0-0.json").read_text())).state == "done"
        (tmp_path / "started").unlink(missing_ok=True)
    assert not (tmp_path / "started").exists()
    monkeypatch.setenv(awsbatch_worker.INDEX, "3")
    assert awsbatch_worker.main([folder, "a", "1"]) == MISSING


def test_a_worker_whose_result_cannot_be_stored_has_not_done_its_job(cloud: Cloud) -> None:
    cloud.batch.script.hold = False
    with FaultyProxy(cloud.bucket.url) as proxy:
        proxy.chance(1.0, Answer(403), seed=0, target="PUT .*/results/")
        engine = open_awsbatch(
            workers=1,
            log=cloud.batch.folder / "workers.log",
            store=cloud.bucket.uri(cloud.key, endpoint=proxy.url),
            queue=cloud.batch.queue,
            image="voxome",
            poll="1",
        )
        engine.submit([probe("one", "checksum", text="")])
        status = collect(engine, 1)["one"]
        engine.close()
    assert status.state == "lost"
    assert "ended as FAILED with exit status 1" in status.error
