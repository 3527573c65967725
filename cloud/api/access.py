"""Who may do what: bearer tokens, their roles, and the locations and channels they are limited to.

The tokens file holds SHA-256 digests, never tokens. A token has 256 random bits, so that a plain
digest of it cannot be guessed back.
"""

import hmac
import secrets
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler
from msgspec import Meta, Struct

from cloud.api.problems import forbidden
from cloud.errors import ConfigInvalid
from cloud.strict_toml import read_toml

Role = Literal["channel", "store", "wms", "ops"]

ROLES: Final[tuple[Role, ...]] = ("channel", "store", "wms", "ops")
TOKENS_MAX: Final = 10_000
TOKEN_PREFIX: Final = "st_"  # noqa: S105 -- it only says whose token it is.
TOKEN_RANDOM_BYTES: Final = 32
TOKEN_CHARS_MAX: Final = 128

_TokenName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,47}$",
        description="1 to 48 letters, digits, '_', '.' or '-'",
    ),
]
_Digest = Annotated[
    str, Meta(pattern=r"^[0-9a-f]{64}$", description="a SHA-256 digest of 64 hexadecimal digits")
]


class TokenEntry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One token. An empty list of locations or channels means all there are.

    `requests_per_minute` goes before the limit in `[api]`.
    """

    name: _TokenName
    sha256: _Digest
    roles: Annotated[list[Role], Meta(min_length=1, max_length=len(ROLES))]
    locations: Annotated[list[str], Meta(max_length=TOKENS_MAX)] = []
    channels: Annotated[list[str], Meta(max_length=TOKENS_MAX)] = []
    requests_per_minute: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None


class TokenFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`tokens.toml`."""

    tokens: Annotated[list[TokenEntry], Meta(max_length=TOKENS_MAX)] = []


class Caller(Struct, frozen=True, kw_only=True):
    """Who sent a request."""

    name: str
    roles: frozenset[Role]
    locations: frozenset[str] = frozenset()
    channels: frozenset[str] = frozenset()
    requests_per_minute: int | None = None

    def may_see_location(self, location: str) -> bool:
        """Say whether the token reaches a location."""
        return not self.locations or location in self.locations

    def require_location(self, *locations: str) -> None:
        """Raise a problem for a location that the token does not reach."""
        for location in locations:
            if not self.may_see_location(location):
                raise forbidden(f"this token is not for location {location}")

    def may_see_channel(self, channel: str) -> bool:
        """Say whether the token reaches a channel."""
        return not self.channels or channel in self.channels

    def require_channel(self, channel: str) -> None:
        """Raise a problem for a channel that the token does not reach."""
        if not self.may_see_channel(channel):
            raise forbidden(f"this token is not for channel {channel}")

    @property
    def is_channel_only(self) -> bool:
        """Say whether this is a sales channel and nothing else: it sees what it may sell."""
        return self.roles == {"channel"}


class Tokens:
    """All tokens that are known, by digest."""

    def __init__(self, entries: Iterable[TokenEntry]) -> None:
        digests = ((bytes.fromhex(entry.sha256), entry) for entry in entries)
        self._known: Final = {digest: (digest, _caller(entry)) for digest, entry in digests}

    def __len__(self) -> int:
        return len(self._known)

    def caller(self, token: str) -> Caller | None:
        """Return whose token this is.

        Nobody can choose a digest, so finding one by value gives nothing away; what was found is
        still compared in constant time.
        """
        if len(token) > TOKEN_CHARS_MAX:
            return None
        digest = sha256(token.encode()).digest()
        known = self._known.get(digest)
        return known[1] if known is not None and hmac.compare_digest(known[0], digest) else None


def _caller(entry: TokenEntry) -> Caller:
    return Caller(
        name=entry.name,
        roles=frozenset(entry.roles),
        locations=frozenset(entry.locations),
        channels=frozenset(entry.channels),
        requests_per_minute=entry.requests_per_minute,
    )


def load_tokens(path: Path) -> Tokens:
    """Return the tokens in a file, or raise `ConfigInvalid`."""
    entries = read_toml(path, TokenFile).tokens
    problems = []
    for field in ("name", "sha256"):
        values = [getattr(entry, field) for entry in entries]
        repeated = sorted({value for value in values if values.count(value) > 1})
        problems += [f"{path}: {field} = {value!r} is there twice" for value in repeated]
    if problems:
        raise ConfigInvalid("\n".join(problems))
    return Tokens(entries)


def new_token() -> tuple[str, str]:
    """Return a new token and its SHA-256 digest in hexadecimal digits."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_RANDOM_BYTES)
    return token, sha256(token.encode()).hexdigest()


def token_entry(
    name: str, digest: str, roles: list[str], channels: list[str], locations: list[str]
) -> str:
    """Return an entry for the tokens file, or raise `ConfigInvalid` for what cannot be in it."""
    entry = {"name": name, "sha256": digest, "roles": roles}
    entry |= {"channels": channels} if channels else {}
    entry |= {"locations": locations} if locations else {}
    try:
        msgspec.convert(entry, TokenEntry)
    except msgspec.ValidationError as error:
        raise ConfigInvalid(str(error).replace(" - at `$.", ": ").rstrip("`")) from error
    lines = [f"{field} = {msgspec.json.encode(value).decode()}" for field, value in entry.items()]
    return "\n".join(["[[tokens]]", *lines])


class Allows:
    """A guard: lets through whoever has one of these roles."""

    def __init__(self, *roles: Role) -> None:
        self.roles: Final = frozenset(roles)

    def __call__(
        self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
    ) -> None:
        """Raise a problem when the caller has none of the roles."""
        del handler
        caller: Caller = connection.scope["user"]
        if not (self.roles & caller.roles):
            needed = ", ".join(role for role in ROLES if role in self.roles)
            raise forbidden(f"this needs a token with one of the roles {needed}")


ANYONE: Final = Allows(*ROLES)
"""Whoever has a token."""
