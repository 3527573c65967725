"""The command line of the simulators.

`stocktruth-sim demo | oversell | truth | crossings | …`; `--help` lists them all.
"""

import asyncio
import logging
import os
import sys
import time
from pathlib import Path
from typing import Annotated, NoReturn

import msgspec
import typer

from protocol.topics import DEFAULT_ROOT
from simulators.bench.cli import app as bench
from simulators.bench.idle_cli import bench_idle
from simulators.bench_suite.cli import bench_compare, benchmarks
from simulators.crash.cli import crash
from simulators.errors import AddressUnavailable, FaultRefused, ScenarioInvalid
from simulators.fencing.cli import fencing
from simulators.harness.cli import canaries, simulate
from simulators.outage.cli import outage
from simulators.powercut.cli import powercut
from simulators.scenario import SMALL_STORE, Scenario, load_scenario
from simulators.throughput.cli import reader, throughput

STATUS_USAGE = 2

app = typer.Typer(
    help="Hardware that isn't there: whole stores, with known truth.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ScenarioFile = Annotated[
    Path, typer.Option("--scenario", help="What a store is like, as TOML.", show_default=True)
]


@app.command()
def demo(
    stores: Annotated[int, typer.Option(min=1, max=100, help="Stores of the chain.")] = 2,
    skus: Annotated[int, typer.Option(min=1, max=20_000, help="Articles of each store.")] = 200,
    speed: Annotated[
        float, typer.Option(min=0.01, max=100, help="How many times as much happens.")
    ] = 1.0,
    duration_s: Annotated[
        float | None,
        typer.Option("--for", min=1, help="Seconds that the stores are open; for ever if absent."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same stores.")] = 1,
    check: Annotated[
        bool, typer.Option("--check", help="Compare with the truth in the end, and verify.")
    ] = False,
    chaos: Annotated[
        bool, typer.Option("--chaos", help="Kill processes and cut a line on the way.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the outcome to this file.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Where configurations, data and logs go; must not exist."),
    ] = None,
    scenario_file: ScenarioFile = SMALL_STORE,
) -> None:
    """Run stores, a web shop, a broker and the cloud, and hold what is heard to the truth.

    The web shop reserves through the HTTP API what the stores' tills sell at the same time; it is
    paid, and associates in the stores pack and ship. --check also audits the journal: nothing was
    promised twice, and everything that the shop was granted is in it.

    The environment variable BROKER (mqtt://HOST[:PORT]) names a broker to use instead of the
    embedded one.
    """
    # Imported here, so that the other commands start without what only the demo needs.
    from simulators.demo.command import run_demo  # noqa: PLC0415
    from simulators.demo.options import DemoOptions, broker_address  # noqa: PLC0415

    broker_url = os.environ.get("BROKER") or None
    if broker_url is not None:
        try:
            broker_address(broker_url)
        except ValueError as error:
            _refuse(str(error))
    options = DemoOptions(
        scenario=_scenario(scenario_file),
        folder=_new_folder(folder or _fresh("run")),
        stores=stores,
        skus=skus,
        speed=speed,
        duration_s=duration_s,
        seed=seed,
        check=check,
        chaos=chaos,
        json_file=json_file,
        broker_url=broker_url,
    )
    sys.exit(run_demo(options))


@app.command()
def oversell(
    clients: Annotated[int, typer.Option(min=1, max=1_000, help="Clients at the same time.")] = 64,
    attempts: Annotated[
        int, typer.Option(min=1, max=100_000_000, help="Reservations attempted by all together.")
    ] = 200_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same attempts.")] = 1,
    stores: Annotated[int, typer.Option(min=1, max=100, help="Stores that have the goods.")] = 3,
    skus: Annotated[int, typer.Option(min=1, max=1_000, help="Articles of each store.")] = 20,
    units: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Units of each article at the opening.")
    ] = 200,
    url: Annotated[
        str | None, typer.Option(help="The API of a running cloud; without it, one is started.")
    ] = None,
    token: Annotated[
        str | None, typer.Option(envvar="STOCKTRUTH_TOKEN", help="Its token, with all roles.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="Its cloud.toml, which names the broker and the journal to audit."),
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write the outcome to this file.")
    ] = None,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Where configurations, data and logs go; must not exist."),
    ] = None,
) -> None:
    """Let many clients fight over few goods through the HTTP API, and audit the journal.

    Clients repeat requests with the same key, hang up, let holds expire, release and ship; tills
    sell what was reserved, deliveries bring more. Exits with 1 when more was granted than allowed
    at any moment, a key was granted twice, or the server failed.
    """
    from simulators.oversell.command import run_oversell  # noqa: PLC0415 # See `demo`.
    from simulators.oversell.options import OversellOptions  # noqa: PLC0415

    options = OversellOptions(
        folder=_new_folder(folder or _fresh("oversell")),
        clients=clients,
        attempts=attempts,
        seed=seed,
        stores=stores,
        skus=skus,
        units=units,
        url=url,
        token=token,
        config=config,
        json_file=json_file,
    )
    sys.exit(run_oversell(options, typer.echo))


@app.command()
def truth(
    json_file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Where --json writes, if not stdout.")
    ] = None,
    scenario: Annotated[
        str, typer.Option(help="A scenario of ours by name, or a TOML file.")
    ] = "apparel",
    days: Annotated[int, typer.Option(min=1, max=3_650, help="Days that each store lives.")] = 60,
    stores: Annotated[int, typer.Option(min=1, max=100, help="Stores, each for itself.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same stores.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Tell everything, as JSON.")] = False,
    plot: Annotated[
        Path | None, typer.Option(help="Draw accuracy over days to a PNG, SVG or PDF file.")
    ] = None,
    factor: Annotated[
        list[str] | None,
        typer.Option(
            help="read=2, theft=0.5, errors=2: so much worse is the world, and nobody tells us."
        ),
    ] = None,
    processes: Annotated[int, typer.Option(min=1, max=2, help="Stores at the same time.")] = 1,
    trace: Annotated[
        str | None, typer.Option(help="Tell the story of one GTIN in the first store, on stderr.")
    ] = None,
) -> None:
    """Hold what we believe of simulated stores against what is there, day by day.

    Noisy hardware, tills and people, in virtual time: sensing, facts and SKU-locations are those
    of a real store. The same observations go to three others: a ledger, a weekly sweep, and the
    last count with the ledger on top.
    """
    from simulators.truth.command import run_truth, truth_options, writable  # noqa: PLC0415 # See `demo`.

    try:
        options = truth_options(
            scenario=scenario,
            days=days,
            stores=stores,
            seed=seed,
            factors=factor or [],
            processes=processes,
            trace=trace,
            plot=plot,
        )
        writable(json_file)
    except (ValueError, ScenarioInvalid) as error:
        _refuse(str(error))
    if json_file is not None and not as_json:
        _refuse(f"{json_file}: a file is only written with --json")
    sys.exit(run_truth(options, as_json=as_json, json_file=json_file))


@app.command()
def crossings(
    crossings: Annotated[
        int, typer.Option(min=1, max=1_000_000, help="Groups of goods carried through.")
    ] = 2_000,
    lingering: Annotated[
        int, typer.Option(min=0, max=1_000, help="Tags near the portal that stay on their side.")
    ] = 10,
    strays: Annotated[
        int, typer.Option(min=0, max=10_000, help="Tags metres away, read by chance.")
    ] = 50,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same readings.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Tell everything, as JSON.")] = False,
) -> None:
    """Hold what a portal's sensing tells of crossings against what happened.

    In virtual time, about a hundred times as fast as a real portal. Seeds 1000 to 1999 have
    taught the portal (`edge.sensing.portal_weights`): judge it by others.
    """
    from simulators.crossings import Crossings  # noqa: PLC0415 # See `demo`.

    outcome = Crossings(seed, lingering=lingering, strays=strays).run(crossings)
    if as_json:
        typer.echo(msgspec.json.encode(outcome))
    else:
        typer.echo("\n".join(outcome.lines()))


@app.command()
def scenarios() -> None:
    """List the scenarios that we ship."""
    from simulators.scenarios_command import list_scenarios  # noqa: PLC0415 # See `demo`.

    list_scenarios(typer.echo)


@app.command()
def describe(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="[WHAT]", help="A scenario, a section or a parameter; all if absent."
        ),
    ] = None,
) -> None:
    """Tell what parameters of scenarios mean: unit, bounds, default."""
    from simulators.scenarios_command import describe as describe_what  # noqa: PLC0415 # See `demo`.

    try:
        describe_what(what, typer.echo)
    except ScenarioInvalid as error:
        _refuse(str(error))


@app.command()
def check(
    file: Annotated[str, typer.Argument(help="A TOML file, or a scenario of ours by name.")],
) -> None:
    """Check a scenario file: exits with 2 and says where and why if it is wrong."""
    from simulators.scenarios_command import check as check_file  # noqa: PLC0415 # See `demo`.

    try:
        check_file(file, typer.echo)
    except ScenarioInvalid as error:
        _refuse(str(error))


@app.command()
def store(
    scenario_file: ScenarioFile = SMALL_STORE,
    folder: Annotated[
        Path | None,
        typer.Option("--dir", help="Where spools and store.toml go; must not exist."),
    ] = None,
    broker_url: Annotated[
        str, typer.Option("--broker", help="The broker to name in store.toml.")
    ] = "mqtt://127.0.0.1:1883",
    root: Annotated[str, typer.Option(help="The root of the topics.")] = DEFAULT_ROOT,
    open_after_s: Annotated[
        float,
        typer.Option(
            "--open-after",
            min=0,
            help="Seconds from an agent's reading of the opening count to the first shopper.",
        ),
    ] = 15.0,
) -> None:
    """Run one store's hardware for an agent of yours."""
    from simulators.standalone import StandaloneStore  # noqa: PLC0415 # See `demo`.

    scenario = _scenario(scenario_file)
    target = _new_folder(folder or _fresh("store"))
    try:
        hardware = StandaloneStore(scenario, target, typer.echo)
        asyncio.run(hardware.run(broker_url, root, open_after_s))
    except (AddressUnavailable, FaultRefused) as error:
        _refuse(str(error))


@app.command()
def fault(
    device: Annotated[str, typer.Argument(help="As `--list` shows; none with it.")] = "",
    kind: Annotated[str, typer.Argument(help="What is to go wrong.")] = "",
    for_s: Annotated[
        float, typer.Option("--for", min=0, max=86_400, help="Seconds; until healed if absent.")
    ] = 0.0,
    heal: Annotated[bool, typer.Option("--heal", help="End a fault, or all of a device.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Show devices and faults.")] = False,
    folder: Annotated[
        Path | None, typer.Option("--dir", help="The store's folder; the newest below .demo.")
    ] = None,
) -> None:
    """Break a device of a running `stocktruth-sim store`, or heal it."""
    from simulators.fault_command import fault_lines, newest_store  # noqa: PLC0415 # See `demo`.

    try:
        where = folder or newest_store(Path(".demo"))
        for line in fault_lines(where, device, kind, for_s=for_s, heal=heal, listing=listing):
            typer.echo(line)
    except FaultRefused as error:
        _refuse(str(error))


@app.command()
def broker(
    port: Annotated[int, typer.Option(min=1, max=65_535, help="TCP port to listen on.")] = 1883,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Run the embedded broker: MQTT 5, in memory, for tests and first steps."""
    from simulators.demo.config_files import broker_config  # noqa: PLC0415 # See `demo`.

    config = Path(".demo") / f"broker-{port}.toml"
    config.parent.mkdir(exist_ok=True)
    config.write_text(broker_config(host, port))
    command = [sys.executable, "-m", "iotcore", "--config", str(config), "--log-level", "ERROR"]
    typer.echo(f"mqtt://{host}:{port}")
    os.execv(command[0], command)  # noqa: S606 # We made the command; no shell is wanted.


app.add_typer(bench, name="bench")
for _command in (
    reader,
    throughput,
    simulate,
    canaries,
    crash,
    fencing,
    outage,
    powercut,
    benchmarks,
    bench_compare,
    bench_idle,
):
    app.command()(_command)


def _scenario(path: Path) -> Scenario:
    try:
        return load_scenario(path)
    except ScenarioInvalid as error:
        _refuse(str(error))


def _fresh(kind: str) -> Path:
    """Return a path below `.demo` that no other run has."""
    return Path(".demo") / f"{kind}-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}"


def _new_folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True)
    except OSError as error:
        _refuse(f"--dir {path}: {error.strerror}")
    return path.resolve()


def _refuse(text: str) -> NoReturn:
    typer.echo(text, err=True)
    sys.exit(STATUS_USAGE)


def main() -> None:
    """Entry point of `stocktruth-sim`."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    app()


if __name__ == "__main__":
    main()
