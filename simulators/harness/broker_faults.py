"""What may be wrong with the simulated network and broker."""

from dataclasses import dataclass


@dataclass(slots=True)
class BrokerFaults:
    """How bad it is now. A fresh one is a good broker on a good network; shares are 0 to 1."""

    drop: float = 0.0
    """Messages that a broker takes, confirms and never delivers, whatever their QoS."""
    duplicate: float = 0.0
    """Messages that are delivered twice."""
    reorder: float = 0.0
    """Messages that are overtaken by later ones."""
    delay_ms: tuple[float, float] = (0.0, 5.0)
    """The shortest and the longest way between a client and the broker."""
    puback_lost: float = 0.0
    """Publishes that are taken and never confirmed."""
    reset: float = 0.0
    """Publishes at which the connection breaks before they arrive."""
    connect_refused: float = 0.0
    """Connections that are refused."""
    will_late: float = 0.0
    """Last wills that are published after their client's next life has begun."""
    queue_max: int = 100_000
    """Messages on their way to one client; more are dropped silently."""
    retained_to_qos1_max: int = 1_000_000
    """Retained messages that a subscriber gets at most (rumqttd: 100)."""
