"""Destinations: volumes in other stores into which results of a run are copied, as its last step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from voxome.contracts.handle import STORE, Handle, within
from voxome.contracts.spec import VolumeSpec
from voxome.errors import InvalidInput, PlanError, UnknownName, VoxomeError
from voxome.redaction import redact
from voxome.resources.open import canonical
from voxome.services.transfer.endpoint import Endpoint, TargetOptions
from voxome.services.transfer.prepare import TransferRequest
from voxome.services.transfer.stages import check_target
from voxome.workflow.options import IntoOptions, RunOptions


@dataclass(frozen=True)
class Destination:
    """A volume in another store, into which a result of a run is copied.

    Attributes
    ----------
    output : str
        Name of the workflow's output.
    uri : str
        URI of the volume, as the user wrote it.
    result : Handle
        The result; its URI has ``{store}``.
    spec : VolumeSpec
        Spec of the part of the result that the run covers.
    options : IntoOptions
        Levels, verification, and what the volume may leave out.
    exists : bool
        Whether there was a volume when the run was planned.
    """

    output: str
    uri: str = field(repr=False)
    result: Handle
    spec: VolumeSpec
    options: IntoOptions
    exists: bool = False

    @property
    def label(self) -> str:
        """URI to display, without secrets."""
        return redact(Endpoint.of(self.uri).uri)

    @property
    def bytes(self) -> int:
        """Uncompressed size of the finest level."""
        return self.spec.domain.size * self.spec.dtype.itemsize

    @property
    def steps(self) -> list[str]:
        """Names of the copy and of its coarser levels, in reports of progress."""
        return [f"{self.output}.into", *(f"{self.output}.into.level{n}" for n in range(1, self.options.levels))]

    def request(self, store: str) -> TransferRequest:
        """Return the transfer of the result in `store`, whose state does not depend on the address of the store."""
        source, target, options = within(self.result.uri, store), Endpoint.of(self.uri), self.options
        new = TargetOptions(drop=options.drop)
        return TransferRequest(
            source=Endpoint(source, source),
            target=target,
            box=self.spec.domain,
            options=new,
            target_spec=new.spec(self.spec, self.spec.domain, target.scheme),
            levels=options.levels,
            existing=options.existing,
            verify=options.verify,
            seed=0,
            source_name=self.result.uri,
            source_version=f"{self.result.key}/unverified" if options.verify == "none" else self.result.key,
        )

    def to_json(self) -> dict[str, Any]:
        """Return what a plan says of it, as JSON values."""
        return {
            "output": self.output,
            "destination": self.label,
            "exists": self.exists,
            "box": str(self.spec.domain),
            "dtype": self.spec.dtype.name,
            "bytes": self.bytes,
            "levels": self.options.levels,
            "verify": self.options.verify,
        }


@dataclass
class DestinationPlanner:
    """Checks the destinations of a run, without changing anything there.

    Attributes
    ----------
    options : RunOptions
        Names of outputs → URIs, and how to copy.
    outputs : mapping of str to Handle
        The workflow's outputs.
    specs : mapping of str to VolumeSpec
        Specs of the volumes among them: of the part that the run covers.
    inputs : mapping of str to Handle
        The workflow's inputs from outside.
    """

    options: RunOptions
    outputs: Mapping[str, Handle]
    specs: Mapping[str, VolumeSpec]
    inputs: Mapping[str, Handle]

    def plan(self, problems: list[str]) -> Iterator[Destination]:
        """Yield the destinations that can be written, and add the problems of the others."""
        used = {base_of(handle.uri): f"input {name}" for name, handle in self.inputs.items()}
        for output, uri in self.options.into.items():
            try:
                base = base_of(Endpoint.of(uri).uri)
                if base in used:
                    raise InvalidInput(f"{redact(base)} is the {used[base]} already; choose another destination")
                used[base] = f"destination of {output}"
                yield self._destination(output, uri)
            except PlanError as error:
                problems += [f"into {output}: {problem}" for problem in error.problems]
            except VoxomeError as error:
                problems.append(f"into {output}: {error}")

    def _destination(self, output: str, uri: str) -> Destination:
        if output not in self.outputs:
            raise UnknownName.of("output of the workflow", output, self.outputs)
        if output not in self.specs:
            raise InvalidInput(
                f"the output is a {self.outputs[output].type}, and only volumes can be copied into another store; the "
                f"volumes are {', '.join(sorted(self.specs)) or 'none'}"
            )
        new = Destination(output, uri, self.outputs[output], self.specs[output], self.options.into_options)
        return replace(new, exists=check_target(new.request(STORE)))


def base_of(uri: str) -> str:
    """Return the canonical URI of a volume, without options."""
    return str(replace(canonical(uri), query={}))
