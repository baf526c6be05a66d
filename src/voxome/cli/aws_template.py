"""The CloudFormation template of AWS Batch and a bucket."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

from voxome.errors import InvalidInput
from voxome.extras import require

_NAME = re.compile(r"[a-z][a-z0-9-]{0,39}")
_USER = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_INSTANCE_TYPE = re.compile(r"optimal|[a-z][a-z0-9-]*(\.[a-z0-9-]+)?")
_ENVIRONMENTS = (
    ("spot", "Spot", "SPOT", "SPOT_CAPACITY_OPTIMIZED"),
    ("ondemand", "OnDemand", "EC2", "BEST_FIT_PROGRESSIVE"),
)
"""End of the names of queues, beginning of logical ids, type and allocation strategy."""


@dataclass(frozen=True, kw_only=True)
class AwsOptions:
    """What the template is made of.

    Attributes
    ----------
    name : str
        Name of the stack, and beginning of other names.
    max_cpus : int
        Processor cores that each queue may use at once.
    instance_types : sequence of str
        Types or families of instances, or ``optimal``.
    users : sequence of str
        Names of the users that may run workflows.
    """

    name: str = "voxome"
    max_cpus: int = 256
    instance_types: Sequence[str] = ("optimal",)
    users: Sequence[str] = ()

    def check(self) -> None:
        """Check names and numbers.

        Raises
        ------
        InvalidInput
        """
        if not _NAME.fullmatch(self.name):
            raise InvalidInput(
                f"The name {self.name!r} is invalid; use up to 40 lower-case letters, digits and hyphens"
            )
        if self.max_cpus < 1:
            raise InvalidInput(f"A queue with {self.max_cpus} processor cores runs nothing; use at least 1")
        for user in self.users:
            if not _USER.fullmatch(user) or "," in user:
                raise InvalidInput(f"The user name {user!r} is invalid; use up to 64 letters, digits and any of +=.@_-")
        for one in self.instance_types:
            if not _INSTANCE_TYPE.fullmatch(one):
                raise InvalidInput(f"The instance type {one!r} is invalid; give types as m6i.4xlarge, families as m6i")


def render_template(options: AwsOptions) -> str:
    """Return the template, in YAML; the same options give the same text.

    Raises
    ------
    InvalidInput, MissingExtra
        If a name is invalid, or the extra ``aws`` is not installed.
    """
    options.check()
    require("aws", "jinja2")
    import jinja2

    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True, autoescape=False)
    source = (files("voxome.cli") / "templates" / "aws.yaml.jinja").read_text(encoding="utf-8")
    return environment.from_string(source).render(
        name=options.name,
        max_cpus=options.max_cpus,
        instance_types=json.dumps(list(options.instance_types)),
        users=sorted(set(options.users)),
        environments=_ENVIRONMENTS,
        trust=_trust,
        logical_id=_logical_id,
    )


def _trust(service: str) -> str:
    """Return the policy by which a service of AWS takes a role."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _logical_id(user: str) -> str:
    return f"User{hashlib.sha256(user.encode()).hexdigest()[:16]}"
