"""Requests to AWS Batch: job definitions, arrays of jobs, their states and how they ended."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
from botocore.exceptions import ConnectionError as NoConnection
from botocore.parsers import ResponseParserError

from voxome.config.settings import settings
from voxome.engines.job_arrays import Refusal
from voxome.errors import InvalidInput
from voxome.redaction import redact

DESCRIBED_AT_ONCE = 100
"""Ids that one request may ask for."""
LARGEST_ARRAY = 10_000
ENDED = ("SUCCEEDED", "FAILED")
"""States of jobs that have ended."""

_THROTTLED = frozenset(
    {
        "TooManyRequestsException",
        "TooManyRequests",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "SlowDown",
    }
)
_MISSING_IMAGE = re.compile(r"(?i)CannotPull.*(not found|does not exist|denied|manifest unknown|unauthorized|invalid)")
_TIMED_OUT = "Job attempt duration exceeded timeout"

logging.getLogger("botocore").setLevel(logging.INFO)  # its debug messages contain credentials


@dataclass(frozen=True)
class State:
    """What AWS Batch says about a job, or an array of jobs.

    Attributes
    ----------
    status : str
        ``RUNNABLE``, ``RUNNING``, ``SUCCEEDED`` …
    reason : str
        Why it has this status, where AWS says so.
    ended : int
        Children of an array that have ended.
    exit_code : int or None
        Exit status of the container, if it ran to its end.
    container_reason : str
        Why the container ended.
    stream : str
        Log stream; empty if there is none.
    """

    status: str
    reason: str = ""
    ended: int = 0
    exit_code: int | None = None
    container_reason: str = ""
    stream: str = ""

    @classmethod
    def of(cls, job: Mapping[str, Any]) -> State:
        """Return the state in an answer of AWS."""
        summary = job.get("arrayProperties", {}).get("statusSummary", {})
        container = job.get("container", {})
        return cls(
            job["status"],
            job.get("statusReason") or "",
            sum(summary.get(status, 0) for status in ENDED),
            container.get("exitCode"),
            container.get("reason") or "",
            container.get("logStreamName") or "",
        )

    @property
    def timed_out(self) -> bool:
        """Whether AWS stopped it at its time limit."""
        return _TIMED_OUT in self.reason

    @property
    def image_is_missing(self) -> bool:
        """Whether its image cannot be had, now or later."""
        return _MISSING_IMAGE.search(f"{self.container_reason} {self.reason}") is not None

    def describe(self) -> str:
        """Return how it ended, as a clause."""
        code = self.exit_code
        ending = f"ended as {self.status}" if code is None else f"ended as {self.status} with exit status {code}"
        reasons = [one for one in (self.reason, self.container_reason) if one]
        return f"{ending} ({'; '.join(reasons)})" if reasons else ending


class BatchClient:
    """Requests to AWS Batch in one region; none is repeated here.

    Parameters
    ----------
    region : str
        Region; that of AWS's configuration if empty.

    Raises
    ------
    InvalidInput
        If no region is known.
    """

    def __init__(self, region: str = "") -> None:
        session = botocore.session.Session()
        region = region or session.get_config_variable("region") or ""
        if not region:
            raise InvalidInput("AWS Batch needs a region; write awsbatch?region=us-east-1&…, or set AWS_DEFAULT_REGION")
        stall_s = settings().stall_s
        config = Config(retries={"total_max_attempts": 1}, connect_timeout=stall_s, read_timeout=stall_s)
        try:
            self._client: Any = session.create_client("batch", region_name=region, config=config)
        except (BotoCoreError, ValueError) as error:
            raise InvalidInput(
                redact(f"AWS Batch cannot be used: {error}; check the region and the profile")
            ) from error
        self.region = region

    def queue_problem(self, queue: str) -> str:
        """Return why a job queue takes no jobs, as the end of a sentence; empty if it does.

        Raises
        ------
        Refusal
        """
        found = self._call("describe_job_queues", jobQueues=[queue])["jobQueues"]
        if not found:
            return "does not exist"
        state, status = found[0].get("state"), found[0].get("status")
        if state != "ENABLED":
            return f"is {str(state).lower()}"
        return f"is {str(status).lower()}" if status in ("INVALID", "DELETING", "DELETED") else ""

    def most_cpus(self, queue: str) -> int | None:
        """Return the vCPUs of the largest compute environment of a queue; None where that is unknown.

        Raises
        ------
        Refusal
        """
        queues = self._call("describe_job_queues", jobQueues=[queue])["jobQueues"]
        names = [one["computeEnvironment"] for found in queues for one in found["computeEnvironmentOrder"]]
        if not names:
            return None
        found = self._call("describe_compute_environments", computeEnvironments=names)["computeEnvironments"]
        most = [one.get("computeResources", {}).get("maxvCpus") for one in found]
        return None if None in most else max(most, default=None)

    def register(self, definition: Mapping[str, Any]) -> str:
        """Return the name and revision of a job definition, which is registered unless it is there already.

        Parameters
        ----------
        definition : mapping
            The request without a name, which is made from its content.

        Raises
        ------
        Refusal
        """
        text = json.dumps(definition, sort_keys=True)
        name = f"voxome-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        known = self._call("describe_job_definitions", jobDefinitionName=name, status="ACTIVE")["jobDefinitions"]
        revisions = [one["revision"] for one in known if one.get("status", "ACTIVE") == "ACTIVE"]
        if not revisions:
            revisions = [self._call("register_job_definition", jobDefinitionName=name, **definition)["revision"]]
        return f"{name}:{max(revisions)}"

    def submit(self, size: int, **request: Any) -> str:
        """Submit an array of so many children, or a single job, and return its id.

        Raises
        ------
        Refusal
        """
        array = {"arrayProperties": {"size": size}} if size > 1 else {}
        return str(self._call("submit_job", **request, **array)["jobId"])

    def find(self, queue: str, name: str) -> str:
        """Return the id of the job of a name in a queue, or an empty text.

        Raises
        ------
        Refusal
        """
        filters = [{"name": "JOB_NAME", "values": [name]}]
        found = self._pages("list_jobs", "jobSummaryList", jobQueue=queue, filters=filters)
        return next((str(one["jobId"]) for one in found if one["jobName"] == name), "")

    def states(self, ids: Sequence[str]) -> dict[str, State]:
        """Return the states of jobs by id, without those that AWS does not know (any more).

        Raises
        ------
        Refusal
        """
        found: dict[str, State] = {}
        for start in range(0, len(ids), DESCRIBED_AT_ONCE):
            chosen = list(ids[start : start + DESCRIBED_AT_ONCE])
            found |= {one["jobId"]: State.of(one) for one in self._call("describe_jobs", jobs=chosen)["jobs"]}
        return found

    def children(self, array: str, status: str) -> Iterator[int]:
        """Yield the indexes of the children of an array that have a status.

        Raises
        ------
        Refusal
        """
        for one in self._pages("list_jobs", "jobSummaryList", arrayJobId=array, jobStatus=status):
            yield int(one["jobId"].rpartition(":")[2])

    def terminate(self, ids: Collection[str], reason: str) -> None:
        """Stop jobs, running or not; one that has ended is none of our concern.

        Raises
        ------
        Refusal
        """
        for one in ids:
            self._call("terminate_job", jobId=one, reason=reason)

    def _pages(self, request: str, items: str, **arguments: Any) -> Iterator[dict[str, Any]]:
        token: dict[str, str] = {}
        while True:
            page = self._call(request, **arguments, **token)
            yield from page.get(items, ())
            if not page.get("nextToken"):
                return
            token = {"nextToken": page["nextToken"]}

    def _call(self, request: str, **arguments: Any) -> dict[str, Any]:
        call: Callable[..., dict[str, Any]] = getattr(self._client, request)
        try:
            return call(**arguments)
        except ClientError as error:
            raise _refusal(request, error) from error
        except (BotoCoreError, ResponseParserError) as error:
            reached = isinstance(error, HTTPClientError | ResponseParserError)
            temporary = reached or isinstance(error, NoConnection)
            raise Refusal(redact(f"{request} failed: {error}"), temporary=temporary, unsure=reached) from error


def _refusal(request: str, error: ClientError) -> Refusal:
    reply: Mapping[str, Any] = error.response
    status = reply.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    code, message = (str(reply.get("Error", {}).get(name) or "") for name in ("Code", "Message"))
    throttled = code in _THROTTLED or status == 429
    failed = status >= 500 and not throttled
    return Refusal(
        redact(f"{request} was answered with {status} {code}: {message}"), temporary=throttled or failed, unsure=failed
    )
