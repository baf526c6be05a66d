"""Permissions on collections, experiments, channels and coordinate frames."""

from __future__ import annotations

from dataclasses import dataclass

from voxome.relay.accounts import Caller
from voxome.relay.catalogue.contract import Catalogue
from voxome.relay.dialects.boss.records import Channel, CoordinateFrame, Grant, Resource, names_of

RESOURCE_PERMISSIONS = ("read", "update", "delete", "add", "assign_group", "remove_group")
VOXEL_PERMISSIONS = ("add_volumetric_data", "read_volumetric_data", "delete_volumetric_data")
PUBLIC_PERMISSIONS = ("read", "read_volumetric_data")


@dataclass(frozen=True)
class Access:
    """What callers may do, as a catalogue's grants have it."""

    catalogue: Catalogue

    def allows(self, caller: Caller, permission: str, resource: Resource) -> bool:
        """Return whether `caller` has `permission` on `resource`.

        Its creator may do everything, and so may admins. A public resource is read by everybody; other permissions are
        those of the caller's groups. Permissions on a collection do not extend to its experiments, nor those on an
        experiment to its channels.
        """
        if caller.is_admin or (caller.name and caller.name == resource.creator):
            return True
        if isinstance(resource, CoordinateFrame):
            return permission == "read"
        if resource.public and permission in PUBLIC_PERMISSIONS:
            return True
        grants = self.catalogue.find(Grant, **names_of(resource))
        return any(one.group in caller.groups and permission in one.permissions for one in grants)


def permissions_of(resource: Resource) -> tuple[str, ...]:
    """Return all permissions that such a resource can have."""
    return RESOURCE_PERMISSIONS + (VOXEL_PERMISSIONS if isinstance(resource, Channel) else ())
