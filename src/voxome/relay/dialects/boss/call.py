"""One request, parsed for the handlers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from voxome.contracts.validation import describe_problem
from voxome.errors import AccessDenied, NotFound
from voxome.relay.accounts import Caller
from voxome.relay.catalogue.contract import R
from voxome.relay.dialects.boss.downsampler import Downsampler
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.publication import Indescribable
from voxome.relay.dialects.boss.records import Channel, Collection, Experiment, Resource
from voxome.relay.dialects.boss.roles import has_role
from voxome.relay.dialects.boss.state import BossState

Schema = TypeVar("Schema", bound=BaseModel)


@dataclass(frozen=True)
class Call:
    """One request, and its sender.

    Attributes
    ----------
    path, query, headers : mapping
        Parts of the URL's path by name; its query; headers in lower case.
    body : bytearray
        As it was received.
    gone : Event
        Set when the client of a look-up leaves.
    """

    boss: BossState
    downsampler: Downsampler
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytearray = field(default_factory=bytearray, repr=False)
    gone: Event = field(default_factory=Event, repr=False)

    def parse_body(self, schema: type[Schema]) -> Schema:
        """Return the JSON body, checked; an empty one is ``{}``.

        Raises
        ------
        Refused
            If it is not a JSON object, or a field is wrong; all problems are named.
        """
        try:
            value = json.loads(bytes(self.body) or b"{}")
            for text in _texts(value):
                _check_text(text)
            return schema.model_validate(value)
        except ValidationError as error:
            problems = "; ".join(f"{'.'.join(map(str, one['loc']))}: {describe_problem(one)}" for one in error.errors())
            raise Refused(Code.INVALID_POST_ARGUMENT, problems) from error
        except (ValueError, RecursionError) as error:
            raise Refused(Code.INVALID_POST_ARGUMENT, f"the body is not valid JSON: {error}") from error

    def argument(self, name: str) -> str:
        """Return the required argument `name` of the query."""
        if name not in self.query:
            raise Refused(Code.INVALID_POST_ARGUMENT, f"Missing argument {name} in the request")
        try:
            return _check_text(self.query[name])
        except ValueError as error:
            raise Refused(Code.INVALID_POST_ARGUMENT, f"{name}: {error}") from error

    def flag(self, name: str) -> bool:
        """Return whether the query has ``name=true``; false if it has no `name`."""
        value = self.query.get(name, "false").lower()
        if value not in ("true", "false"):
            raise Refused(Code.INVALID_CUTOUT_ARGS, f"{name} must be true or false, not {value}")
        return value == "true"

    def require_role(self, role: str) -> None:
        """Refuse a caller without `role`."""
        if not has_role(self.boss.catalogue, self.caller, role):
            raise Refused(Code.MISSING_ROLE, f"User does not have the role {role}")

    def require_permission(self, permission: str, resource: Resource) -> None:
        """Refuse a caller without `permission` on `resource`; one without a token may try again with one."""
        if not self.boss.access.allows(self.caller, permission, resource):
            message = f"Missing {permission} permissions on the resource {resource.name}"
            raise Refused(Code.MISSING_PERMISSION, message) if self.caller.name else AccessDenied(message)

    def find(self, record_type: type[R], *key: str) -> R:
        """Return the record of this key.

        Raises
        ------
        Refused
            If it does not exist, or BossDB cannot have it.
        AccessDenied
            If BossDB cannot have it, and the caller may not know why.
        """
        try:
            return self.boss.catalogue.get(record_type, *key)
        except NotFound as error:
            raise Refused(Code.RESOURCE_NOT_FOUND, f"{key[-1]} does not exist.") from error
        except Indescribable as error:
            if self.boss.sources.rights(error.source).may_see(self.caller):
                raise Refused(Code.DATATYPE_NOT_SUPPORTED, str(error)) from error
            message = f"Missing read permissions on the resource {key[-1]}"
            raise Refused(Code.MISSING_PERMISSION, message) if self.caller.name else AccessDenied(message) from None

    def resource(self, collection: str = "", experiment: str = "", channel: str = "") -> Any:
        """Return the channel, experiment or collection of these names.

        Raises
        ------
        Refused
            If it does not exist, or a name is missing before another.
        """
        if not collection or (channel and not experiment):
            raise Refused(Code.INVALID_URL, f"Missing {'experiment' if collection else 'collection'} in the request")
        types: tuple[Any, ...] = (Collection, Experiment, Channel)
        names = [name for name in (collection, experiment, channel) if name]
        return self.find(types[len(names) - 1], *names)

    def channel(self, *permissions: str) -> Channel:
        """Return the channel that the path names, if the caller has all `permissions` on it."""
        channel = self.find(Channel, self.path["collection"], self.path["experiment"], self.path["channel"])
        for permission in permissions:
            self.require_permission(permission, channel)
        return channel


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts in a JSON value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    elif isinstance(value, dict):
        for name, one in value.items():
            yield name
            yield from _texts(one)


def _check_text(text: str) -> str:
    """Return `text`, if every catalogue can store it."""
    if "\0" in text or any("\ud800" <= one <= "\udfff" for one in text):
        raise ValueError("text must not contain NUL or half of a surrogate pair")
    return text
