"""One request, as the handlers see it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from voxome.errors import NotFound
from voxome.relay.access import Caller
from voxome.relay.catalogue.records import Channel, Collection, Experiment, Resource
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.downsample import Downsampler
from voxome.relay.relay import Relay

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class Call:
    """What was asked, by whom, of which relay.

    Attributes
    ----------
    path, query, headers : mapping
        Parts of the URL's path by name; its query; headers in lower case.
    body : bytearray
        As it came.
    """

    relay: Relay
    downsampler: Downsampler
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytearray = field(repr=False)

    def document(self, kind: type[Body]) -> Body:
        """The JSON body, checked; an empty one is ``{}``.

        Raises
        ------
        Refused
            If it is no JSON object or a field is wrong; all faults are named.
        """
        try:
            return kind.model_validate(json.loads(bytes(self.body) or b"{}"))
        except ValidationError as error:
            faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            raise Refused(Code.INVALID_POST_ARGUMENT, faults) from error
        except ValueError as error:
            raise Refused(Code.INVALID_POST_ARGUMENT, f"the body is no JSON: {error}") from error

    def asked(self, name: str) -> str:
        """The query's `name`, which must be there."""
        if name not in self.query:
            raise Refused(Code.INVALID_POST_ARGUMENT, f"Missing argument {name} in the request")
        return self.query[name]

    def flag(self, name: str) -> bool:
        """Whether the query says ``name=true``; it may say false."""
        given = self.query.get(name, "false").lower()
        if given not in ("true", "false"):
            raise Refused(Code.INVALID_CUTOUT_ARGS, f"{name} is true or false, not {given}")
        return given == "true"

    def must_have_role(self, role: str) -> None:
        """Refuse a caller without `role`."""
        if not self.caller.has_role(role):
            raise Refused(Code.MISSING_ROLE, f"User does not have the role {role}")

    def must_be_allowed(self, permission: str, resource: Resource) -> None:
        """Refuse a caller without `permission` on `resource`."""
        if not self.relay.access.allows(self.caller, permission, resource):
            message = f"Missing {permission} permissions on the resource {resource.name}"
            raise Refused(Code.MISSING_PERMISSION, message)

    def channel(self, *permissions: str) -> Channel:
        """The channel that the path names, if the caller has all `permissions` on it."""
        found = resource_at(self.relay, self.path["collection"], self.path["experiment"], self.path["channel"])
        for permission in permissions:
            self.must_be_allowed(permission, found)
        assert isinstance(found, Channel)
        return found


def resource_at(
    relay: Relay, collection: str, experiment: str = "", channel: str = ""
) -> Collection | Experiment | Channel:
    """The channel, experiment or collection of these names.

    Raises
    ------
    Refused
        If there is none.
    """
    kinds: tuple[Any, ...] = (Collection, Experiment, Channel)
    names = [name for name in (collection, experiment, channel) if name]
    try:
        found: Collection | Experiment | Channel = relay.catalogue.get(kinds[len(names) - 1], *names)
    except NotFound as error:
        raise Refused(Code.RESOURCE_NOT_FOUND, f"{names[-1]} does not exist.") from error
    return found
