"""A model of an MQTT broker, and of the network around it, with the nastiness of real ones.

It keeps what MQTT 5 promises on a good day (one contract suite runs over it and a real Mosquitto),
and breaks as `BrokerFaults` says: it confirms and loses, repeats, overtakes, forgets its retained
messages in a crash or brings back old ones from its last autosave, and delivers a last will late.
Everything happens on the running loop, in a context of the broker's own: what the broker does goes
on when the client that caused it has died.
"""

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from random import Random
from typing import Any, Final

from aiomqtt import Topic, Will

from simulators.harness.broker_client import Arrived, SimulatedClient
from simulators.harness.broker_faults import BrokerFaults

OVERTAKEN_BY_S: Final = 0.3
WILL_DELAY_S: Final = 0.01
WILL_LATE_S: Final = 3.0
AUTOSAVE_S: Final = 100.0
"""Mosquitto saves every 30 minutes; a run here is shorter."""
KEEPS_AUTOSAVE: Final = 0.5
GRACE_FACTOR: Final = 1.5
"""A silent client is gone after one and a half times its keep-alive (MQTT 5, 3.1.2.10)."""


class SimulatedBroker:
    """One broker. `note` counts each fault that it injects."""

    def __init__(self, rng: Random, faults: BrokerFaults, note: Callable[[str], None]) -> None:
        self.faults: Final = faults
        self.rng: Final = rng
        self.note: Final = note
        self.is_up = True
        self.on_publish: Callable[[str, bytes, bool], None] | None = None
        """Sees each message that the broker takes: topic, payload, whether it is retained."""
        self._retained: dict[str, bytes] = {}
        self._saved: dict[str, bytes] = {}
        self._saved_at_s = 0.0
        self._lives = 0
        self._clients: dict[str, SimulatedClient] = {}
        self._cut_hosts: Final[set[str]] = set()
        self._context: Final = contextvars.copy_context()
        self._matches: Final[dict[tuple[str, str], bool]] = {}

    @property
    def retained(self) -> Mapping[str, bytes]:
        """What a subscriber who comes now would get, by topic."""
        return self._retained

    def client(self, host: str, **arguments: Any) -> SimulatedClient:
        """Return a client on a host; the other arguments are those of `aiomqtt.Client`."""
        return SimulatedClient(self, host, **arguments)

    # What happens to it.

    def crash(self) -> None:
        """Lose every connection, and what was not saved."""
        self.is_up = False
        self._lives += 1
        is_kept = self.rng.random() < KEEPS_AUTOSAVE
        self._retained = dict(self._saved) if is_kept else {}
        clients, self._clients = self._clients, {}
        for client in clients.values():
            client.lose_connection()

    def restart(self) -> None:
        """Take connections again."""
        self.is_up = True

    def cut(self, host: str) -> None:
        """Let nothing pass between a host and the broker; nobody is told."""
        self._cut_hosts.add(host)

    def heal(self, host: str) -> None:
        """Let everything pass again."""
        self._cut_hosts.discard(host)

    def is_cut(self, host: str) -> bool:
        """Say whether nothing passes between a host and the broker."""
        return host in self._cut_hosts

    def reset(self, host: str) -> None:
        """Break all connections of a host."""
        for client in [each for each in self._clients.values() if each.host == host]:
            self.end(client)

    # What clients ask of it.

    def admit(self, client: SimulatedClient) -> None:
        """Let a client in; another one of the same id has to go (MQTT 5, 3.1.4)."""
        former = self._clients.get(client.identifier)
        if former is not None:
            self.end(former)
        self._clients[client.identifier] = client
        if client.keepalive_s:
            self.later(client.keepalive_s * GRACE_FACTOR, self._look_after, client)

    def _look_after(self, client: SimulatedClient) -> None:
        if self._clients.get(client.identifier) is not client:
            return
        if self.is_cut(client.host):
            self.end(client)
        else:
            self.later(client.keepalive_s, self._look_after, client)

    def end(self, client: SimulatedClient) -> None:
        """Break a client's connection, and publish its last will."""
        self.leave(client)
        client.lose_connection()
        if client.will is not None:
            is_late = bool(self.faults.will_late) and self.rng.random() < self.faults.will_late
            if is_late:
                self.note("broker: late will")
            delay_s = WILL_LATE_S if is_late else WILL_DELAY_S
            self.later(delay_s, self._tell_will, client.will, self._lives)

    def leave(self, client: SimulatedClient) -> None:
        """Forget a client."""
        if self._clients.get(client.identifier) is client:
            del self._clients[client.identifier]

    def _tell_will(self, will: Will, life: int) -> None:
        if life != self._lives:
            return  # A broker that crashed has forgotten whose will it had to tell.
        payload = will.payload
        data = payload.encode() if isinstance(payload, str) else bytes(payload or b"")  # type: ignore[arg-type] # Ours are bytes.
        self.take(will.topic, data, retain=will.retain)

    def take(self, topic: str, payload: bytes, *, retain: bool) -> None:
        """Take a message in and send it to whoever subscribed."""
        if not self.is_up:
            return
        if self.on_publish is not None:
            self.on_publish(topic, payload, retain)
        if retain:
            self._retain(topic, payload)
        for client in list(self._clients.values()):
            if any(self._is_match(pattern, topic) for pattern in client.patterns):
                self.send(client, Arrived(topic, payload, retain=False))

    def _retain(self, topic: str, payload: bytes) -> None:
        now_s = asyncio.get_running_loop().time()
        if now_s - self._saved_at_s >= AUTOSAVE_S:
            self._saved, self._saved_at_s = dict(self._retained), now_s
        if payload:
            self._retained[topic] = payload
        else:
            self._retained.pop(topic, None)

    def send_retained(self, client: SimulatedClient, patterns: list[str], qos: int) -> None:
        """Send what a new subscription asks for."""
        wanted = [topic for topic in self._retained if self._match_any(patterns, topic)]
        if qos and len(wanted) > self.faults.retained_to_qos1_max:
            self.note("broker: retained withheld")
            del wanted[self.faults.retained_to_qos1_max :]
        for topic in wanted:
            self.send(client, Arrived(topic, self._retained[topic], retain=True))

    def send(self, client: SimulatedClient, message: Arrived) -> None:
        """Let a message be on its way to a client, if it survives."""
        faults, rng = self.faults, self.rng
        if faults.drop and rng.random() < faults.drop:
            self.note("broker: dropped")
            return
        copies = 1
        if faults.duplicate and rng.random() < faults.duplicate:
            self.note("broker: duplicated")
            copies = 2
        for _ in range(copies):
            if client.under_way >= faults.queue_max:
                self.note("broker: queue full")
                return
            self._send_once(client, message)

    def _send_once(self, client: SimulatedClient, message: Arrived) -> None:
        loop = asyncio.get_running_loop()
        at_s = loop.time() + self.delay_s()
        if self.faults.reorder and self.rng.random() < self.faults.reorder:
            self.note("broker: reordered")
            at_s += OVERTAKEN_BY_S
        else:
            at_s = client.next_delivery_s = max(client.next_delivery_s, at_s)
        client.under_way += 1
        loop.call_at(at_s, self._deliver, client, message, context=self._context)

    def _deliver(self, client: SimulatedClient, message: Arrived) -> None:
        client.under_way -= 1
        if not self.is_cut(client.host):
            client.hear(message)

    # What both need.

    def later(self, delay_s: float, act: Callable[..., None], *arguments: Any) -> None:
        """Do something later, as the broker."""
        loop = asyncio.get_running_loop()
        loop.call_later(delay_s, act, *arguments, context=self._context)

    def at(self, at_s: float, act: Callable[[], None]) -> None:
        """Do something at a time of the loop, as the broker."""
        asyncio.get_running_loop().call_at(at_s, act, context=self._context)

    def delay_s(self) -> float:
        """Return how long a packet takes now."""
        shortest_ms, longest_ms = self.faults.delay_ms
        return self.rng.uniform(shortest_ms, longest_ms) / 1_000

    def _match_any(self, patterns: list[str], topic: str) -> bool:
        return any(self._is_match(pattern, topic) for pattern in patterns)

    def _is_match(self, pattern: str, topic: str) -> bool:
        known = self._matches.get((pattern, topic))
        if known is None:
            known = self._matches[pattern, topic] = Topic(topic).matches(pattern)
        return known
