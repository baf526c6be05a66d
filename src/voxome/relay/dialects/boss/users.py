"""``sso``: users and their roles."""

from __future__ import annotations

from pydantic import BaseModel, SecretStr
from starlette.responses import JSONResponse, Response

from voxome.errors import AlreadyExists, NotFound
from voxome.relay.accounts import User
from voxome.relay.dialects.boss.call import Call
from voxome.relay.dialects.boss.checks import check_name
from voxome.relay.dialects.boss.deletion import delete_user
from voxome.relay.dialects.boss.errors import Code, Refused
from voxome.relay.dialects.boss.records import Profile
from voxome.relay.dialects.boss.roles import (
    RESOURCE_MANAGER,
    ROLES,
    USER_MANAGER,
    find_role,
    role_record,
    roles_of,
)
from voxome.relay.secrets import hash_password


class NewUser(BaseModel):
    """``POST sso/user/…``."""

    first_name: str = ""
    last_name: str = ""
    email: str = ""
    password: SecretStr = SecretStr("")


def get(call: Call) -> Response:
    """Send the name and roles of a user."""
    _require_manager_or_self(call)
    one = _user(call)
    profiles = call.boss.catalogue.find(Profile, user=one.name)
    profile = profiles[0] if profiles else Profile(user=one.name)
    details = {"firstName": profile.first_name, "lastName": profile.last_name, "email": profile.email}
    return JSONResponse({"username": one.name, **details, "realmRoles": _roles(call)})


def post(call: Call) -> Response:
    """Create a user."""
    call.require_role(USER_MANAGER)
    requested = call.parse_body(NewUser)
    password = requested.password.get_secret_value()
    user = User(name=check_name(call.path["user"]))
    profile = Profile(
        user=user.name,
        first_name=requested.first_name,
        last_name=requested.last_name,
        email=requested.email,
        password=hash_password(password) if password else "",
    )
    try:
        if user.name in call.boss.accounts.admins.values():
            raise AlreadyExists(user.name)
        call.boss.catalogue.write(add=[user, profile])
    except AlreadyExists as error:
        raise Refused(Code.INVALID_POST_ARGUMENT, f"user {user.name} already exists", 409) from error
    return Response(status_code=201)


def delete(call: Call) -> Response:
    """Delete a user with all by which they are recognised; what they have created is then nobody's."""
    call.require_role(USER_MANAGER)
    one = _user(call)
    if set(_roles(call)) - {RESOURCE_MANAGER} and not call.caller.is_admin:
        raise Refused(Code.MISSING_PERMISSION, f"{one.name} manages users: only an admin may delete them")
    delete_user(call.boss.accounts.catalogue, one)
    return Response(status_code=204)


def roles(call: Call) -> Response:
    """List the roles of a user, or return whether they have the role in the path."""
    _require_manager_or_self(call)
    _user(call)
    names = _roles(call)
    return JSONResponse(names if "role" not in call.path else call.path["role"] in names)


def add_role(call: Call) -> Response:
    """Give a user a role."""
    user, role = _user_and_role(call)
    if role not in _roles(call):
        call.boss.catalogue.write(add=[role_record(user, role)])
    return Response(status_code=201)


def remove_role(call: Call) -> Response:
    """Remove a role of a user."""
    user, role = _user_and_role(call)
    call.boss.catalogue.write(remove=find_role(call.boss.catalogue, user, role))
    return Response(status_code=204)


def _require_manager_or_self(call: Call) -> None:
    if not call.caller.name or call.caller.name != call.path["user"]:
        call.require_role(USER_MANAGER)


def _user(call: Call) -> User:
    try:
        return call.boss.catalogue.get(User, call.path["user"])
    except NotFound as error:
        raise Refused(Code.USER_NOT_FOUND, f"{call.path['user']} does not exist.") from error


def _roles(call: Call) -> list[str]:
    return roles_of(call.boss.catalogue, call.path["user"])


def _user_and_role(call: Call) -> tuple[str, str]:
    """Return the names in the path, if the caller may assign the role: only admins assign user-manager and admin."""
    call.require_role(USER_MANAGER)
    role = call.path["role"]
    if role not in ROLES or (role != RESOURCE_MANAGER and not call.caller.is_admin):
        raise Refused(Code.INVALID_ROLE, f"you cannot assign or remove the role {role}; valid are {', '.join(ROLES)}")
    return _user(call).name, role
