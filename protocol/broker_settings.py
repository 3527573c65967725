"""Where the broker is: the `[broker]` table of the edge's and the cloud's settings.

Both sides read it the same way, because both sides connect to the same broker.
"""

from collections.abc import Iterator
from typing import Annotated, Final
from urllib.parse import urlsplit

from msgspec import Meta, Struct

from protocol.errors import InvalidTopic
from protocol.strict_toml import shown
from protocol.topics import DEFAULT_ROOT, Topics

PORTS: Final = {"mqtt": 1883, "mqtts": 8883}
TLS_FILES: Final = ("ca_file", "certificate_file", "key_file")

Url = Annotated[
    str,
    Meta(
        pattern=r"^mqtts?://[^/@?#\s]+/?$",
        description="mqtt://HOST[:PORT] or mqtts://HOST[:PORT]",
    ),
]
FilePath = Annotated[str, Meta(min_length=1, description="a path")]


class BrokerSettings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the broker is. The files are PEM, and for `mqtts` only."""

    url: Url
    root: str = DEFAULT_ROOT
    ca_file: FilePath | None = None
    certificate_file: FilePath | None = None
    key_file: FilePath | None = None

    @property
    def host(self) -> str:
        """Host name or address."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Port, or the usual one of the scheme. Raises `ValueError` above 65535."""
        parts = urlsplit(self.url)
        return PORTS[parts.scheme] if parts.port is None else parts.port

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return self.url.startswith("mqtts:")

    @property
    def tls_files(self) -> dict[str, str]:
        """The files that are set, by the name of their setting."""
        files = {name: getattr(self, name) for name in TLS_FILES}
        return {name: file for name, file in files.items() if file is not None}


def broker_problems(broker: BrokerSettings) -> Iterator[str]:
    """Yield what the types alone do not see, a line per setting with its path and value."""
    try:
        is_good = broker.port > 0 and bool(broker.host)
    except ValueError:
        is_good = False
    if not is_good:
        yield f"broker.url = {shown(broker.url)}: expected a host, and a port from 1 to 65535"
    try:
        Topics(broker.root)
    except InvalidTopic as error:
        yield f"broker.root = {shown(broker.root)}: {error.detail}"
    if not broker.is_tls:
        for name, file in broker.tls_files.items():
            yield f"broker.{name} = {shown(file)}: allowed with an mqtts:// url only"
    if (broker.certificate_file is None) != (broker.key_file is None):
        yield "broker.certificate_file and broker.key_file: give both or neither"
