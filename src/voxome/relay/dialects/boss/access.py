"""Permissions on collections, experiments, channels and coordinate frames."""

from __future__ import annotations

from dataclasses import dataclass

from voxome.relay.accounts import Caller
from voxome.relay.catalogue.contract import Catalogue
from voxome.relay.dialects.boss.publication import Publication
from voxome.relay.dialects.boss.records import (
    Channel,
    Collection,
    CoordinateFrame,
    Experiment,
    Grant,
    Resource,
    names_of,
)
from voxome.relay.sources import Sources

RESOURCE_PERMISSIONS = ("read", "update", "delete", "add", "assign_group", "remove_group")
VOXEL_PERMISSIONS = ("add_volumetric_data", "read_volumetric_data", "delete_volumetric_data")
PUBLIC_PERMISSIONS = ("read", "read_volumetric_data")
_WRITE_PERMISSIONS = ("add_volumetric_data", "delete_volumetric_data")


@dataclass(frozen=True)
class Access:
    """Permissions of callers.

    Parameters
    ----------
    catalogue : Catalogue
        Permissions of groups.
    sources : Sources
        Rights of the channels that are sources of the relay; only these decide who may read and write them.
    publication : Publication
        Which channels are sources.
    """

    catalogue: Catalogue
    sources: Sources
    publication: Publication

    def allows(self, caller: Caller, permission: str, resource: Resource) -> bool:
        """Return whether `caller` has `permission` on `resource`.

        Its creator may do everything, and so may admins. A public resource is read by everybody; other permissions are
        those of the caller's groups. Permissions on a collection do not extend to its experiments, nor those on an
        experiment to its channels. Who may see the metadata of a source of the relay, since they may read or write it,
        may read its channel, and the experiment and the collection of that, but only readers read the voxels. A caller
        who only reads has no other permissions.
        """
        if caller.only_reads and permission not in PUBLIC_PERMISSIONS:
            return False
        if isinstance(resource, Channel) and resource.served:
            return self._allows_served(caller, permission, resource.served)
        if caller.is_admin or (caller.name and caller.name == resource.creator):
            return True
        if isinstance(resource, CoordinateFrame):
            inside = self.publication.with_frame(resource.name)
            return permission == "read" and (not inside or bool(self.publication.visible(caller, inside)))
        if resource.public and permission in PUBLIC_PERMISSIONS:
            return True
        if permission == "read" and not isinstance(resource, Channel) and self._sees_inside(caller, resource):
            return True
        grants = self.catalogue.find(Grant, **names_of(resource))
        return any(one.group in caller.groups and permission in one.permissions for one in grants)

    def lists(self, caller: Caller, resource: Resource) -> bool:
        """Return whether a resource is in the lists of a caller: a source of the relay only if they may read it."""
        permission = "read_volumetric_data" if isinstance(resource, Channel) and resource.served else "read"
        return self.allows(caller, permission, resource)

    def _allows_served(self, caller: Caller, permission: str, name: str) -> bool:
        rights = self.sources.rights(name)
        if permission == "read":
            return rights.may_see(caller)
        if permission == "read_volumetric_data":
            return rights.may_read(caller)
        if permission in _WRITE_PERMISSIONS:
            return rights.may_write(caller)
        return permission != "delete" and (caller.is_admin or (permission == "update" and rights.may_write(caller)))

    def _sees_inside(self, caller: Caller, resource: Collection | Experiment) -> bool:
        return bool(self.publication.visible(caller, self.publication.inside(*resource.key)))


def permissions_of(resource: Resource) -> tuple[str, ...]:
    """Return all permissions that such a resource can have."""
    return RESOURCE_PERMISSIONS + (VOXEL_PERMISSIONS if isinstance(resource, Channel) else ())
