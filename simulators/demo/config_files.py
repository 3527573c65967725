"""The files that a demo writes for its broker and its cloud. The schemas are theirs."""

import secrets
from collections.abc import Iterable, Iterator
from hashlib import sha256
from json import dumps
from typing import Final

from simulators.scenario import Scenario, articles

TOKEN_RANDOM_BYTES: Final = 32

BROKER_TOML: Final = """\
id = 0
[router]
id = 0
max_connections = 1000
# A subscriber's first answer brings at most this many retained states (decision 4).
max_outgoing_packet_count = 60000
max_segment_size = 10485760
max_segment_count = 10
[v5.1]
name = "v5"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 60000
max_payload_size = 1048576
max_inflight_count = 100
dynamic_filters = true
"""

CLOUD_TOML: Final = """\
[broker]
url = {url}
root = {root}
[journal]
path = "./data/journal.db"
[shards]
policy_file = "./policies.toml"
[api]
host = "127.0.0.1"
port = {api_port}
tokens_file = "./tokens.toml"
requests_per_minute = 10000000
"""

TOKENS_TOML: Final = """\
[[tokens]]
name = "{name}"
sha256 = "{digest}"
roles = ["channel", "store", "wms", "ops"]
"""


def broker_config(host: str, port: int) -> str:
    """Return the embedded broker's configuration."""
    return BROKER_TOML.format(host=host, port=port)


def cloud_config(broker_url: str, root: str, api_port: int) -> str:
    """Return `cloud.toml`."""
    return CLOUD_TOML.format(url=dumps(broker_url), root=dumps(root), api_port=api_port)


def new_token() -> str:
    """Return a token that nobody else has."""
    return secrets.token_urlsafe(TOKEN_RANDOM_BYTES)


def token_file(name: str, token: str) -> str:
    """Return `tokens.toml`: one token that may do everything."""
    return TOKENS_TOML.format(name=name, digest=sha256(token.encode()).hexdigest())


def policies(scenarios: Iterable[Scenario]) -> str:
    """Return `policies.toml`: every article is reordered."""
    return "\n".join(line for scenario in scenarios for line in _policies_of(scenario)) + "\n"


def _policies_of(scenario: Scenario) -> Iterator[str]:
    rules = scenario.world.reorders
    for sku in articles(scenario):
        by_weight = sku.measure == "grams"
        yield "[[policies]]"
        yield f"store = {dumps(scenario.store)}"
        yield f'gtin = "{sku.gtin}"'
        yield f"reorder_point = {rules.point_grams if by_weight else rules.point_units}"
        yield f"order_up_to = {rules.up_to_grams if by_weight else rules.up_to_units}"
