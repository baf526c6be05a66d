"""Create volumes by URI."""

from __future__ import annotations

from typing import Unpack

from voxome.calls import explain_calls
from voxome.contracts.abilities import SupportsAdaptSpec, SupportsCheckSpec, SupportsCreate
from voxome.contracts.source import VolumeSource
from voxome.contracts.spec import SpecChanges, VolumeSpec, require_fill
from voxome.contracts.uri import Location, Uri
from voxome.errors import InvalidInput, InvalidUri, UnsupportedFormat, describe_value
from voxome.registry import targets
from voxome.resources.addresses import absolute
from voxome.resources.open import remote_of, require_numbers
from voxome.resources.recognition import scheme_of_name
from voxome.resources.view_options import refuse_view
from voxome.resources.volume import Volume
from voxome.storage.find import GROUP


def create_source(uri: Location, spec: VolumeSpec) -> VolumeSource:
    """Create an array and open its source for writing."""
    located = Uri.parse(uri)
    return _creator(located, spec).create(located, spec)


def require_creatable(uri: Location, spec: VolumeSpec) -> None:
    """Raise what `create_source` would, as far as it is known without creating anything."""
    located = Uri.parse(uri)
    store = _creator(located, spec)
    if isinstance(store, SupportsCheckSpec):
        store.check_spec(located, spec)


def adapt_spec(uri: Location, spec: VolumeSpec, levels: int) -> VolumeSpec:
    """Return the spec to create an array with at `uri`, so that it has a place for one of `spec` with its levels."""
    located = Uri.parse(uri)
    store = _creator(located, spec)
    return store.adapt_spec(located, spec, levels) if isinstance(store, SupportsAdaptSpec) else spec


def _creator(located: Uri, spec: VolumeSpec) -> SupportsCreate:
    """Return the remote that creates an array at a URI."""
    refuse_view(located, "created")
    _require_spec(spec)
    if located.scheme in ("", *targets(GROUP)):
        scheme = scheme_of_name(located.path)
        hint = f"write {scheme}://{located}" if scheme else f"write the format before it, as in zarr://{located}"
        raise InvalidUri(f"cannot create {located} without a format; {hint}")
    require_numbers(located, spec.dtype)
    require_fill(spec.fill, spec.dtype)
    if spec.kind == "labels" and spec.dtype.kind not in "biu":
        raise InvalidInput(f"{located}: labels of {spec.dtype} are not supported; expected integers or booleans")
    store = remote_of(located)
    if not isinstance(store, SupportsCreate):
        raise UnsupportedFormat(f"{located.scheme}:// volumes cannot be created")
    return store


@explain_calls
def create(uri: Location, spec: VolumeSpec, **changes: Unpack[SpecChanges]) -> Volume:
    """Create a volume and open it for writing.

    Parameters
    ----------
    uri : str or path
        ``scheme://…``; nothing may be stored there.
    spec : VolumeSpec
        Its shape and meaning.
    **changes
        Fields of the spec to change.

    Raises
    ------
    AlreadyExists
        If something is stored there.
    UnsupportedFormat
        If the format cannot hold such a volume.
    """
    _require_spec(spec)
    described = spec.replace(**changes) if changes else spec
    return Volume(create_source(uri, described), absolute(Uri.parse(uri)).reveal())


def _require_spec(spec: VolumeSpec) -> None:
    if not isinstance(spec, VolumeSpec):
        raise InvalidInput(
            f"spec is {describe_value(spec)}; expected a VolumeSpec, as VolumeSpec.of((64, 64, 64), 'uint8')"
        )
