"""What a strike does to its target, and how everything is healed again."""

import shutil
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Any, Final

from simulators.harness.broker_faults import BrokerFaults
from simulators.harness.gateway import Gateway
from simulators.harness.plan import Strike
from simulators.harness.shop import Document, Shop
from simulators.harness.sites import Site

if TYPE_CHECKING:
    from simulators.harness.simulation import Simulation

FUSE_TURNS_MAX: Final = 300
SYNCS_MAX: Final = 5
CLOCK_ERRORS_MS: Final = (
    -1_767_600_000_000,  # 1970
    10 * 365 * 86_400_000,
    -3_600_000,
    -90_000,
    86_400_000,
)
TAKE_OVER_AFTER_S: Final = 1.0
CLONE_LIVES_TIMES: Final = 3.0
IMAGE_AGE_TIMES: Final = 5.0
REAPPEARS: Final = 0.5
"""How likely a power cut takes the removal of a spool file back."""


def set_weather(weather: BrokerFaults, values: dict[str, float]) -> None:
    """Let the network and the broker be as bad as the plan says."""
    for kind, value in values.items():
        present = getattr(weather, kind)
        if isinstance(present, tuple):
            setattr(weather, kind, (0.0, value))
        else:
            setattr(weather, kind, int(value) if kind.endswith("_max") else value)


def perform(simulation: "Simulation", strike: Strike) -> None:
    """Let a strike happen."""
    simulation.note_fault(f"{strike.kind} {'edge' if strike.target[0] == 'S' else strike.target}")
    if strike.target == "broker":
        _crash_broker(simulation, strike)
    elif strike.target == "cloud":
        _STRIKES[strike.kind](simulation, simulation.cloud, strike)
    else:
        _STRIKES[strike.kind](simulation, simulation.gateways[strike.target], strike)


def heal(simulation: "Simulation") -> None:
    """Make the network, the broker, disks and clocks good again; nobody is a clone any more."""
    fresh = BrokerFaults()
    for kind in vars(fresh) if hasattr(fresh, "__dict__") else fresh.__slots__:
        setattr(simulation.weather, kind, getattr(fresh, kind))
    for pending in simulation.pending:
        pending.cancel()
    for end in list(simulation.endings):
        end()
    sites: list[Site[Any]] = [*simulation.gateways.values(), simulation.cloud]
    for site in sites:
        site.clock.error_ms = 0
        site.disk.faults = type(site.disk.faults)()
        simulation.broker.heal(site.host)
        if site.life is not None and site.life.is_paused:
            site.life.resume()
    simulation.broker.restart()


def _crash_broker(simulation: "Simulation", strike: Strike) -> None:
    simulation.broker.crash()
    simulation.later(strike.for_s, simulation.broker.restart)


def _kill(simulation: "Simulation", site: Site[Any], strike: Strike) -> None:
    del simulation
    site.kill(strike.for_s)


def _kill_soon(simulation: "Simulation", site: Site[Any], strike: Strike) -> None:
    del simulation
    if site.life is not None:
        site.life.fuse = 1 + int(strike.draw * FUSE_TURNS_MAX)


def _power_cut(simulation: "Simulation", site: Site[Any], strike: Strike) -> None:
    if site is simulation.cloud:
        for end in list(simulation.endings):
            end()  # A stale owner is on the same machine.
    site.cut_power(strike.for_s)


def _stop(simulation: "Simulation", site: Site[Any], strike: Strike) -> None:
    del simulation, strike
    site.stop()


def _partition(simulation: "Simulation", site: Site[Any], strike: Strike) -> None:
    host = site.host
    simulation.broker.cut(host)
    simulation.later(strike.for_s, lambda: simulation.broker.heal(host))


def _reset(simulation: "Simulation", site: Site[Any], strike: Strike) -> None:
    del strike
    simulation.broker.reset(site.host)


def _clock_jump(simulation: "Simulation", site: Site[Any], strike: Strike) -> None:
    del simulation
    site.clock.error_ms = CLOCK_ERRORS_MS[int(strike.draw * len(CLOCK_ERRORS_MS))]


def _disk_full(simulation: "Simulation", site: Site[Any], strike: Strike) -> None:
    site.disk.faults.is_full = True

    def make_room() -> None:
        site.disk.faults.is_full = False

    simulation.later(strike.for_s, make_room)


def _sync_fails(simulation: "Simulation", site: Site[Any], strike: Strike) -> None:
    del simulation
    site.disk.faults.fail_sync_after = 1 + int(strike.draw * SYNCS_MAX)


def _take_over(simulation: "Simulation", site: Site[Any], strike: Strike) -> None:
    """The owner is paused, another takes over, then the first one comes back."""
    stale = simulation.cloud
    if site is not stale or stale.life is None or simulation.endings:
        return
    stale.life.pause()
    simulation.nodes += 1
    fresh = simulation.cloud = simulation.cloud_site(f"cloud-{simulation.nodes}")
    fresh.start_in(TAKE_OVER_AFTER_S)
    stale.is_retired = True

    def come_back() -> None:
        if stale.life is not None:
            stale.life.resume()

    def end() -> None:
        simulation.endings.discard(end)
        stale.retire()

    simulation.endings.add(end)
    simulation.later(TAKE_OVER_AFTER_S + strike.for_s, come_back)
    simulation.later(TAKE_OVER_AFTER_S + strike.for_s + 60.0, end)


def _restore_image(simulation: "Simulation", site: Site[Gateway], strike: Strike) -> None:
    """Take an image of the gateway now, and put it back later."""
    _freeze(site)
    image = site.disk.image()
    shop = simulation.shops[site.host]
    taken_before = len(_taken(shop))

    def put_back() -> None:
        _freeze(site)
        excuse(simulation, shop, taken_before)
        site.disk.restore_image(image)

    simulation.later(strike.for_s * IMAGE_AGE_TIMES, put_back)


def _clone(simulation: "Simulation", site: Site[Gateway], strike: Strike) -> None:
    """A copy of the gateway runs beside it for a while, with a till of its own."""
    _freeze(site)
    simulation.clones += 1
    store, host = site.host, f"{site.host}-clone-{simulation.clones}"
    clone = simulation.clone_site(store, host)
    folder = simulation.folder / host
    shutil.copytree(simulation.folder / store / "disk", folder / "disk", dirs_exist_ok=True)
    shop = simulation.shops[store]
    twin = Shop(
        store, folder / "spool", shop.goods, simulation.rng(host), till=f"C{simulation.clones}"
    )
    twin.open(clone.clock.true_ms())
    clone.start()
    simulation.twins.append(twin)

    def act() -> None:
        if not clone.is_retired:
            deliveries = simulation.plan.has_deliveries
            twin.act(clone.clock.true_ms(), counts=False, deliveries=deliveries)
            simulation.later(simulation.plan.act_every_s, act)

    def end() -> None:
        simulation.endings.discard(end)
        clone.retire()
        simulation.excused.extend(twin.documents)

    act()
    simulation.endings.add(end)
    simulation.later(strike.for_s * CLONE_LIVES_TIMES, end)


def _freeze(site: Site[Gateway]) -> None:
    site.kill()


def _taken(shop: Shop) -> list[Document]:
    """Return the documents that have left the spool."""
    return [each for each in shop.documents if not (shop.spool / each.file).exists()]


def excuse(simulation: "Simulation", shop: Shop, taken_before: int) -> None:
    """Note what was taken and may die with the disk: it may count once, or not at all."""
    simulation.excused.extend(_taken(shop)[taken_before:])


def bring_back_removed(site: Site[Gateway], rng: Random, is_power_cut: bool) -> None:
    """After a power cut, a directory may not know yet what was removed from it."""
    program = site.last_program
    if not is_power_cut or program is None or program.till is None:
        return
    for path, content in program.till.removed:
        if rng.random() < REAPPEARS:
            path.write_bytes(content)


_STRIKES: Final[dict[str, Callable[["Simulation", Site[Any], Strike], None]]] = {
    "kill": _kill,
    "kill_soon": _kill_soon,
    "power_cut": _power_cut,
    "stop": _stop,
    "partition": _partition,
    "reset": _reset,
    "clock_jump": _clock_jump,
    "disk_full": _disk_full,
    "sync_fails": _sync_fails,
    "take_over": _take_over,
    "restore_image": _restore_image,
    "clone": _clone,
}
