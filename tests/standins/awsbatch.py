"""AWS Batch in front of moto: checks what moto does not, and runs the containers as processes of this machine.

moto knows queues and job definitions, but runs nothing. Here each child of an array is a process with exactly the
registered command, its parameters put in, and the environment of a container: that of the definition and of the job,
what AWS adds, and credentials by the address that containers get them from. What breaks a limit of AWS is refused, and
kept in `violations`.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import uuid4

import boto3  # type: ignore[import-untyped]

SPOT = "Host EC2 (instance i-0123456789abcdef0) terminated."
TIMED_OUT = "Job attempt duration exceeded timeout"
REGION = "us-east-1"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_ENDED = ("SUCCEEDED", "FAILED")
_PAGE = 100
_POLL_S = 0.02


class Broken(Exception):
    """A request that AWS would refuse."""


@dataclass
class Child:
    """A child of an array, or a single job."""

    id: str
    index: int
    status: str = "RUNNABLE"
    reason: str = ""
    exit_code: int | None = None
    container_reason: str = ""
    stream: str = ""
    process: subprocess.Popen[bytes] | None = None

    def end(self, status: str, reason: str, exit_code: int | None = None) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.status, self.reason, self.exit_code = status, reason, exit_code

    def to_json(self) -> dict[str, Any]:
        container = {"logStreamName": self.stream, "reason": self.container_reason, "exitCode": self.exit_code}
        return {
            "jobId": self.id,
            "status": self.status,
            "statusReason": self.reason,
            "container": {name: value for name, value in container.items() if value not in ("", None)},
        }


@dataclass
class Submission:
    """A submitted array or job."""

    id: str
    request: Mapping[str, Any]
    argv: list[str]
    environment: dict[str, str]
    children: list[Child]

    @property
    def is_array(self) -> bool:
        return "arrayProperties" in self.request

    def to_json(self) -> dict[str, Any]:
        job = {"jobName": self.request["jobName"], "jobQueue": self.request["jobQueue"]}
        if not self.is_array:
            return {**job, **self.children[0].to_json()}
        summary = Counter(child.status for child in self.children)
        ended = all(child.status in _ENDED for child in self.children)
        status = ("FAILED" if summary["FAILED"] else "SUCCEEDED") if ended else "PENDING"
        array = {"size": len(self.children), "statusSummary": dict(summary)}
        return {**job, "jobId": self.id, "status": status, "arrayProperties": array}


@dataclass
class Fault:
    """An answer in place of the right one; the request is done nevertheless if it `reaches`."""

    status: int
    code: str
    reaches: bool = False


THROTTLED = Fault(429, "TooManyRequestsException")
FAILED = Fault(503, "ServiceUnavailable")
LATE = Fault(500, "ServerException", reaches=True)


@dataclass
class Script:
    """What goes wrong."""

    hold: bool = False
    faults: dict[str, list[Fault]] = field(default_factory=lambda: defaultdict(list))
    forgotten: set[str] = field(default_factory=set)


class BatchStandIn(ThreadingHTTPServer):
    """AWS Batch on a free port of the loopback interface; a context manager.

    Parameters
    ----------
    moto : str
        Address of a moto server.
    folder : path
        Folder for logs, homes and working directories of containers.
    slots : int
        Containers that run at once.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, moto: str, folder: Path, *, slots: int = 4) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.moto, self.folder, self.slots = moto, folder, slots
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.queue = f"queue-{uuid4().hex[:8]}"
        self.script = Script()
        self.submissions: dict[str, Submission] = {}
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.violations: list[str] = []
        self.lock = threading.RLock()
        self._over = threading.Event()

    def bodies(self, action: str) -> list[dict[str, Any]]:
        """Return the bodies of the requests of an action, as ``submitjob``."""
        return [body for name, body in self.requests if name == action]

    def children(self) -> list[Child]:
        """Return all jobs, in order of submission."""
        with self.lock:
            return [child for one in self.submissions.values() for child in one.children]

    def running(self) -> list[Child]:
        """Return the jobs whose process runs."""
        return [child for child in self.children() if child.status == "RUNNING"]

    def log(self, child: Child) -> str:
        """Return what the process of a job has printed."""
        return (self.folder / child.stream.replace("/", "_")).read_text(encoding="utf-8")

    def end(self, child: Child, reason: str, container_reason: str = "", exit_code: int | None = None) -> None:
        """End a job as failed, as AWS does for a reason."""
        with self.lock:
            child.container_reason = container_reason
            child.end("FAILED", reason, exit_code)

    def answer(self, action: str, body: dict[str, Any], raw: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Return status and body of the answer to a request."""
        with self.lock:
            self.requests.append((action, body))
            fault = self.script.faults[action].pop(0) if self.script.faults[action] else None
            if fault is not None and not fault.reaches:
                return fault.status, _error(fault.code)
            try:
                status, text = self._perform(action, body, raw, headers)
            except Broken as error:
                self.violations.append(f"{action}: {error}")
                return 400, _error("ClientException", str(error))
            return (status, text) if fault is None else (fault.status, _error(fault.code))

    def _perform(self, action: str, body: dict[str, Any], raw: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        own = {"describejobs": self._describe, "listjobs": self._list, "terminatejob": self._terminate}
        if action in own:
            return 200, json.dumps(own[action](body)).encode()
        if action == "registerjobdefinition":
            _check_definition(body)
        if action == "submitjob":
            _check_submission(body, raw)
        status, text = self._forward(action, raw, headers)
        if action == "submitjob" and status == 200:
            self._accept(json.loads(text)["jobId"], body)
        return status, text

    def _forward(self, action: str, raw: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        passed = {name: value for name, value in headers.items() if name.lower() in ("authorization", "content-type")}
        request = urllib.request.Request(f"{self.moto}/v1/{action}", data=raw, headers=passed, method="POST")
        try:
            with urllib.request.urlopen(request) as reply:
                return reply.status, reply.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def _accept(self, identifier: str, body: dict[str, Any]) -> None:
        name, _, revision = body["jobDefinition"].partition(":")
        known = self._batch().describe_job_definitions(jobDefinitionName=name)["jobDefinitions"]
        (definition,) = (one for one in known if one["revision"] == int(revision))
        container = definition["containerProperties"]
        argv = [_with_parameters(one, body.get("parameters", {})) for one in container["command"]]
        overrides = body.get("containerOverrides", {})
        environment = {
            one["name"]: one["value"] for one in [*container.get("environment", []), *overrides.get("environment", [])]
        }
        size = body.get("arrayProperties", {}).get("size")
        ids = [identifier] if size is None else [f"{identifier}:{index}" for index in range(size)]
        children = [Child(one, index) for index, one in enumerate(ids)]
        self.submissions[identifier] = Submission(identifier, body, argv, environment, children)

    def _describe(self, body: dict[str, Any]) -> dict[str, Any]:
        ids = body["jobs"]
        if not 1 <= len(ids) <= _PAGE:
            raise Broken(f"{len(ids)} ids in one request; at most {_PAGE}")
        known = {one.id: one.to_json() for one in self.submissions.values()}
        for submission in self.submissions.values():
            if submission.is_array:
                name = {"jobName": submission.request["jobName"]}
                known |= {child.id: {**name, **child.to_json()} for child in submission.children}
        return {"jobs": [known[one] for one in ids if one in known and one not in self.script.forgotten]}

    def _list(self, body: dict[str, Any]) -> dict[str, Any]:
        if ("jobQueue" in body) == ("arrayJobId" in body):
            raise Broken("give jobQueue or arrayJobId")
        found: list[dict[str, Any]]
        if "arrayJobId" in body:
            children = self.submissions[body["arrayJobId"]].children
            found = [child.to_json() for child in children if child.status == body["jobStatus"]]
        else:
            (names,) = (one["values"] for one in body["filters"] if one["name"] == "JOB_NAME")
            found = [one.to_json() for one in self.submissions.values() if one.request["jobName"] in names]
        start = int(body.get("nextToken", "0"))
        more = {"nextToken": str(start + _PAGE)} if len(found) > start + _PAGE else {}
        return {"jobSummaryList": found[start : start + _PAGE], **more}

    def _terminate(self, body: dict[str, Any]) -> dict[str, Any]:
        for submission in self.submissions.values():
            for child in submission.children:
                if body["jobId"] in (submission.id, child.id) and child.status not in _ENDED:
                    child.end("FAILED", body["reason"])
        return {}

    def _run(self) -> None:
        while not self._over.wait(_POLL_S):
            with self.lock:
                for submission in self.submissions.values():
                    for child in submission.children:
                        self._advance(submission, child)

    def _advance(self, submission: Submission, child: Child) -> None:
        if child.status == "RUNNABLE" and not self.script.hold and len(self.running()) < self.slots:
            self._start(submission, child)
        elif child.status == "RUNNING" and child.process is not None and (code := child.process.poll()) is not None:
            child.exit_code = 128 - code if code < 0 else code
            child.status = "FAILED" if code else "SUCCEEDED"
            child.reason = "Essential container in task exited"

    def _start(self, submission: Submission, child: Child) -> None:
        child.stream = f"voxome/default/{child.id.replace(':', '-')}"
        home = self.folder / f"home-{child.id.replace(':', '-')}"
        home.mkdir()
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
            "HOME": str(home),
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{self.url}/credentials",
            "AWS_BATCH_JOB_ID": child.id,
            **({"AWS_BATCH_JOB_ARRAY_INDEX": str(child.index)} if submission.is_array else {}),
            **submission.environment,
        }
        with (self.folder / child.stream.replace("/", "_")).open("wb") as log:
            child.process = subprocess.Popen(
                submission.argv,
                env=environment,
                cwd=home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        child.status = "RUNNING"

    def _batch(self) -> Any:
        return boto3.client("batch", endpoint_url=self.moto, region_name=REGION)

    def _create_queue(self) -> None:
        """Create a queue in moto, which shall not look for a container engine."""
        data = json.dumps({"batch": {"use_docker": False}}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.moto}/moto-api/config", data=data, method="POST")).close()
        role = boto3.client("iam", endpoint_url=self.moto, region_name=REGION).create_role(
            RoleName=f"service-{self.queue}", AssumeRolePolicyDocument="{}"
        )["Role"]["Arn"]
        batch = self._batch()
        environment = batch.create_compute_environment(
            computeEnvironmentName=f"environment-{self.queue}", type="UNMANAGED", state="ENABLED", serviceRole=role
        )["computeEnvironmentArn"]
        order = [{"order": 1, "computeEnvironment": environment}]
        batch.create_job_queue(jobQueueName=self.queue, state="ENABLED", priority=1, computeEnvironmentOrder=order)

    def __enter__(self) -> BatchStandIn:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._create_queue()
        self._loops = [
            threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True),
            threading.Thread(target=self._run, daemon=True),
        ]
        for thread in self._loops:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.shutdown()
        for thread in self._loops:
            thread.join()
        self.server_close()
        for child in self.running():
            child.end("FAILED", "the stand-in has ended")


def _check_definition(body: dict[str, Any]) -> None:
    if not _NAME.fullmatch(body["jobDefinitionName"]):
        raise Broken(f"jobDefinitionName {body['jobDefinitionName']!r}")
    if body.get("timeout", {}).get("attemptDurationSeconds", 60) < 60:
        raise Broken("attemptDurationSeconds is under 60")
    if not 1 <= body.get("retryStrategy", {}).get("attempts", 1) <= 10:
        raise Broken("attempts are not between 1 and 10")


def _check_submission(body: dict[str, Any], raw: bytes) -> None:
    overrides = json.dumps(body.get("containerOverrides", {}))
    if len(overrides.encode()) > 8192:
        raise Broken(f"container overrides of {len(overrides)} bytes; at most 8192")
    if len(raw) > 30 * 1024:
        raise Broken(f"a request of {len(raw)} bytes; at most 30 KiB")
    if not _NAME.fullmatch(body["jobName"]):
        raise Broken(f"jobName {body['jobName']!r}")
    size = body.get("arrayProperties", {}).get("size")
    if size is not None and not 2 <= size <= 10_000:
        raise Broken(f"an array of {size}; 2 to 10,000")


def _with_parameters(text: str, parameters: Mapping[str, str]) -> str:
    if not text.startswith("Ref::"):
        return text
    if text.removeprefix("Ref::") not in parameters:
        raise Broken(f"the parameter {text} is not given")
    return parameters[text.removeprefix("Ref::")]


def _error(code: str, message: str = "by the stand-in") -> bytes:
    return json.dumps({"__type": code, "message": message, "code": code}).encode()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: BatchStandIn

    def do_GET(self) -> None:
        keys = {"AccessKeyId": "AKIACONTAINER", "SecretAccessKey": "hush-hush-container", "Token": "hush-hush-token"}
        self._send(200, json.dumps({**keys, "Expiration": "2099-01-01T00:00:00Z"}).encode())

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        action = self.path.rpartition("/")[2]
        status, body = self.server.answer(action, json.loads(raw or b"{}"), raw, dict(self.headers.items()))
        code = {"x-amzn-ErrorType": json.loads(body)["code"]} if status >= 400 and b'"code"' in body else {}
        self._send(status, body, code)

    def _send(self, status: int, body: bytes, headers: Mapping[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing."""
