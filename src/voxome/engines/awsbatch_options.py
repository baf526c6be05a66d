"""Options of the engine ``awsbatch``, and the job definition that they make."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from voxome.contracts.engine import Resources
from voxome.engines.array_engine import ArrayOptions
from voxome.errors import InvalidInput

WORKER = ("python", "-m", "voxome.engines.awsbatch_worker", "Ref::folder", "Ref::array", "Ref::places")
"""What containers run; AWS puts the parameters of a job in."""

_MIB = 1 << 20


@dataclass(frozen=True, kw_only=True)
class BatchOptions(ArrayOptions):
    """Options of the engine.

    Attributes
    ----------
    queue, image : str
        Job queue, and image with voxome.
    region, role, logs : str
        Region, role of the containers, and log group; those of AWS's configuration and of Batch if empty.
    limit_s : int or None
        Seconds that a job may take.
    memory_mib : int
        Memory of jobs whose need is unknown.
    """

    queue: str
    image: str
    region: str = ""
    role: str = ""
    logs: str = ""
    limit_s: int | None = None
    memory_mib: int = 4096

    def definition(self, region: str) -> dict[str, Any]:
        """Return the job definition, which has no credentials: containers have those of their role."""
        container = {
            "image": self.image,
            "command": list(WORKER),
            "environment": [{"name": "AWS_DEFAULT_REGION", "value": region}],
            "resourceRequirements": requirements(Resources(), self.memory_mib),
            "linuxParameters": {"initProcessEnabled": True},
            **({"jobRoleArn": self.role} if self.role else {}),
            **({"logConfiguration": self._log_configuration()} if self.logs else {}),
        }
        limit = {} if self.limit_s is None else {"timeout": {"attemptDurationSeconds": self.limit_s}}
        return {"type": "container", "containerProperties": container, "retryStrategy": {"attempts": 1}, **limit}

    def _log_configuration(self) -> dict[str, Any]:
        return {"logDriver": "awslogs", "options": {"awslogs-group": self.logs, "awslogs-stream-prefix": "voxome"}}


def requirements(resources: Resources, memory_mib: int) -> list[dict[str, str]]:
    """Return what AWS Batch reserves for a job; so many MiB where its need is unknown."""
    known = resources.memory_bytes
    memory = memory_mib if known is None else max(4, math.ceil(known / _MIB))
    gpus = [{"type": "GPU", "value": str(resources.gpus)}] if resources.gpus else []
    return [{"type": "VCPU", "value": str(resources.cpus)}, {"type": "MEMORY", "value": str(memory)}, *gpus]


def parse_number(name: str, text: str, least: int) -> int:
    """Return the whole number that a user gave as an option.

    Raises
    ------
    InvalidInput
        If it is no such number, or too small.
    """
    if not text.isdecimal() or int(text) < least:
        raise InvalidInput(f"{name} of the engine awsbatch is {text!r}; expected a whole number of at least {least}")
    return int(text)


def parse_memory(text: str) -> int:
    """Return a size of memory in MiB.

    Raises
    ------
    InvalidInput
    """
    matched = re.fullmatch(r"(\d+)([MG])i?B?", text)
    if matched is None or not int(matched[1]):
        raise InvalidInput(f"mem of the engine awsbatch is {text!r}; expected a size such as 4G or 512M")
    return int(matched[1]) * (1024 if matched[2] == "G" else 1)
