"""The sources of a relay, as far as a caller may use them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from voxome.contracts.abilities import Ability
from voxome.contracts.spec import VolumeSpec
from voxome.errors import AccessDenied, ReadOnly
from voxome.geometry import Box
from voxome.relay.accounts import Caller
from voxome.relay.rights import Rights
from voxome.relay.sources import Sources
from voxome.relay.virtual.variants import Setting

T = TypeVar("T")


class PermittedSources:
    """The sources that a caller may read, and write where the rights permit it.

    Who may write a source, but not read it, may see its metadata, and nothing else; it is in no list either.

    A name that the caller may neither read nor write raises AccessDenied, not NotFound: viewers draw a chunk that is
    missing as empty tissue, and so would show an expired session. Such names are in no list. So does every name in a
    store that the caller may not use, whether anything is there or not. Other errors are those of `Sources`.

    Parameters
    ----------
    sources : Sources
        All sources of the relay.
    caller : Caller
        Sender of the request.
    """

    def __init__(self, sources: Sources, caller: Caller) -> None:
        self._sources, self._caller = sources, caller

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names that the caller may read, in order."""
        return (name for name in self._sources if self._sources.rights(name).may_read(self._caller))

    @property
    def stores(self) -> list[str]:
        """Names of the stores that the caller may read, in order."""
        return sorted(name for name, store in self._sources.stores.items() if store.rights.may_read(self._caller))

    def rights(self, name: str) -> Rights:
        """Return who may read and write a source.

        Raises
        ------
        NotFound
            If it does not exist.
        AccessDenied
            If the caller may neither read nor write it.
        InvalidInput
            If it is a variant of a virtual layer with wrong parameters.
        """
        self.require_store(name)
        rights = self._sources.rights(name)
        if not rights.may_see(self._caller):
            raise AccessDenied(f"no permission to use {name}")
        self._sources.check_name(name)
        return rights

    def require_store(self, path: str) -> None:
        """Check that the caller may find out what is in the store to which a name or path belongs, if it is in one.

        Raises
        ------
        AccessDenied
            If the caller may neither read nor write the store.
        """
        found = self._sources.find_store(path)
        if found is not None and not found[0].rights.may_see(self._caller):
            raise AccessDenied(f"no permission to use {found[0].name}")

    def level_count(self, name: str) -> int:
        """Return the number of levels of a source: 1 without a pyramid."""
        self.rights(name)
        return self._sources.level_count(name)

    def spec(self, name: str, *, level: int = 0) -> VolumeSpec:
        """Return the shape and meaning of a source, or of a level of its pyramid."""
        self.rights(name)
        return self._sources.spec(name, level=level)

    def read(self, name: str, box: Box, *, level: int = 0) -> NDArray[Any]:
        """Return the voxels of `box`, in the coordinates of the level.

        Raises
        ------
        AccessDenied
            If the caller may write the source, but not read it.
        """
        self._require_read(name)
        return self._sources.read(name, box, level=level)

    def read_at_hand(self, name: str, box: Box, *, level: int = 0) -> NDArray[Any] | None:
        """Return the voxels of `box` if no store has to be read for them, else None.

        Raises
        ------
        AccessDenied
            If the caller may write the source, but not read it.
        """
        self._require_read(name)
        return self._sources.read_at_hand(name, box, level=level)

    def use(self, name: str, protocol: type[Ability], action: Callable[[Ability], T]) -> T | None:
        """Return what `action` does with an ability of a source; None if the source does not have it.

        Raises
        ------
        AccessDenied
            If the caller may not read the source.
        """
        self._require_read(name)
        return self._sources.use(name, protocol, action)

    def fact(self, name: str, key: str) -> Any:
        """Return a fact about a source, which is no voxels."""
        self.rights(name)
        return self._sources.facts.get(name, key)

    def current_version(self, name: str) -> str | None:
        """Return the name of the version now of a source that is edited; None if it is no such source."""
        self.rights(name)
        return self._sources.current_version(name)

    def settings(self, name: str) -> tuple[Setting, ...]:
        """Return the parameters that clients may change in the name of a virtual layer, with their values."""
        self.rights(name)
        return self._sources.settings(name)

    def version(self, name: str) -> str:
        """Return a text that changes whenever voxels of a source may have changed."""
        self.rights(name)
        return self._sources.version(name)

    def write(
        self,
        name: str,
        box: Box,
        data: NDArray[Any],
        *,
        level: int = 0,
        where: NDArray[np.bool_] | None = None,
        check: Callable[[], None] | None = None,
    ) -> None:
        """Write the voxels of `box`, in the coordinates of the level; only those of `where`, if it is given.

        Nothing is written if `check`, which is called while nobody else writes the box, raises.

        Raises
        ------
        ReadOnly
            If the source has no writers.
        AccessDenied
            If the caller may not write it.
        """
        self.require_write(name)
        self._sources.write(name, box, data, level=level, where=where, check=check)

    def require_write(self, name: str) -> None:
        """Check that the caller may write a source.

        Raises
        ------
        ReadOnly
            If it has no writers.
        AccessDenied
            If the caller may not write it.
        """
        rights = self.rights(name)
        if not rights.writers:
            raise ReadOnly(f"{name} is served read-only")
        if not rights.may_write(self._caller):
            raise AccessDenied(f"no permission to write {name}")

    def _require_read(self, name: str) -> None:
        if not self.rights(name).may_read(self._caller):
            raise AccessDenied(f"no permission to read {name}")
