"""Provenance: what made a mesh, a skeleton, annotations, a table or a volume."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from voxome.contracts.formats import PROVENANCE
from voxome.errors import CorruptData
from voxome.redaction import HIDDEN, is_secret, redact

OWN = "own"
"""The way of a result that the store itself has, or that its server computes."""
LOCAL = "local"
"""The way of a result that a tool of voxome computes."""
OTHER = "other"
"""The way of an entry that another program wrote; `parameters` are what it wrote, as it is."""

ATTRIBUTE = "voxome_provenance"
"""Attribute in which stores keep entries; where metadata are single texts, the start of their names."""


@dataclass(frozen=True)
class InputRecord:
    """An input of what was made.

    Attributes
    ----------
    name : str
        What it was for: ``labels``, ``image``, …
    uri : str
        Its address, without secrets.
    version : str or None
        Its version when it was read, where its store has one.
    """

    name: str
    uri: str
    version: str | None = None


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What made a resource.

    Attributes
    ----------
    service : str
        ``mesh``, ``transfer``, …
    way : str
        ``own``: the files or the server of the store; ``local``: a tool of voxome; ``other``: what another program
        wrote; otherwise the name of the service of another package.
    tool, version : str
        What computed it, and its version.
    parameters : mapping of str to JSON values
        Its parameters.
    inputs : tuple of InputRecord
        What it was computed from.
    time : str
        When, in UTC, as ISO 8601 writes it.
    run : str or None
        Id of the run that it is a result of.
    warnings : tuple of str
        What is known against it now, as that its labels have changed since. No store keeps them.
    """

    service: str
    way: str
    tool: str
    version: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[InputRecord, ...] = ()
    time: str
    run: str | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def now(
        cls,
        service: str,
        way: str,
        tool: str,
        version: str,
        parameters: Mapping[str, Any] | None = None,
        inputs: Iterable[InputRecord] = (),
        run: str | None = None,
    ) -> Self:
        """Return the provenance of what is made now.

        User names, passwords and tokens in addresses are removed, and the values of parameters that are secrets.
        """
        return cls(
            service=service,
            way=way,
            tool=tool,
            version=version,
            parameters=_redacted(parameters or {}),
            inputs=tuple(InputRecord(one.name, redact(one.uri), one.version) for one in inputs),
            time=datetime.now(UTC).isoformat(timespec="seconds"),
            run=run,
        )

    @classmethod
    def of_others(cls, origin: str, content: object) -> Self:
        """Return an entry that another program wrote, as it is.

        Parameters
        ----------
        origin : str
            Where it was found: ``attribute history``, …
        content : JSON value
            What was found; anything but a mapping is the parameter ``content``.
        """
        found = dict(content) if isinstance(content, Mapping) else {"content": content}
        time: str = next((one for one in (found.get("date"), found.get("time")) if isinstance(one, str)), "")
        return cls(service=OTHER, way=OTHER, tool=origin, version="", parameters=found, time=time)

    def to_json(self) -> dict[str, Any]:
        """Return the provenance as JSON values, marked with their format."""
        return PROVENANCE.stamp(
            {
                "service": self.service,
                "way": self.way,
                "tool": self.tool,
                "version": self.version,
                "parameters": dict(self.parameters),
                "inputs": [{"name": one.name, "uri": one.uri, "version": one.version} for one in self.inputs],
                "time": self.time,
                "run": self.run,
            }
        )

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: object = "a provenance") -> Self:
        """Return what `to_json` wrote; `where` is its file, for messages.

        Raises
        ------
        UnsupportedFormat
            If it is of another version.
        CorruptData
            If a field is missing.
        """
        content = PROVENANCE.content(data, where)
        try:
            return cls(
                service=str(content["service"]),
                way=str(content["way"]),
                tool=str(content["tool"]),
                version=str(content["version"]),
                parameters=dict(content["parameters"]),
                inputs=tuple(InputRecord(one["name"], one["uri"], one["version"]) for one in content["inputs"]),
                time=str(content["time"]),
                run=content["run"],
            )
        except (KeyError, TypeError, ValueError) as error:
            raise CorruptData(
                f"{where}: the provenance lacks {error}; expected the fields that voxome writes"
            ) from error


def _redacted(value: Any, name: str = "") -> Any:
    """Return a JSON value without secrets: texts without those in addresses, members of a secret name hidden."""
    if isinstance(value, Mapping):
        return {str(key): _redacted(one, str(key)) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_redacted(one, name) for one in value]
    if value is not None and is_secret(name):
        return HIDDEN
    return redact(value) if isinstance(value, str) else value
