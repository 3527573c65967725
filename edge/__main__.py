"""`stocktruth-edge`: the agent in a store gateway, and a look at what it holds.

`check`, `stock` and `status` load no driver and need no network. A user's mistake is one clear
line and exit status 2, a failure exit status 1; neither is a traceback.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from edge.bench.command import app as bench_app
from edge.config import EdgeSettings, load_settings
from edge.errors import ConfigInvalid, EdgeError, Mistake
from edge.mirror.sqlite import SqliteMirror
from edge.mirror.stock import stock_lines
from edge.outbox.view import OutboxView
from edge.recording.command import record
from edge.replay.command import replay, tune
from protocol.errors import InvalidIdentifier
from protocol.ids import parse_gtin

EXIT_FAILED: Final = 1
EXIT_MISTAKE: Final = 2
LOG_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
STOCK_COLUMNS: Final = ("gtin", "expected", "on_hand", "pending", "measure", "version", "as_of")
TEXT_COLUMNS: Final = ("gtin", "measure", "as_of", "store")

app = typer.Typer(
    name="stocktruth-edge",
    help="The agent in a store gateway.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Config = Annotated[Path, typer.Option("--config", "-c", help="The agent's store.toml.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
LogLevel = Annotated[str, typer.Option(help="debug, info, warning or error.")]
GtinArgument = Annotated[str | None, typer.Argument(help="Show this GTIN only.")]
DEFAULT_CONFIG: Final = Path("store.toml")


@app.command()
def run(config: Config = DEFAULT_CONFIG, log_level: LogLevel = "info") -> None:
    """Run the agent until SIGTERM or Ctrl-C."""
    settings = load_settings(config)
    _start_logging(log_level)
    asyncio.run(_run(settings))


async def _run(settings: EdgeSettings) -> None:
    from edge.assembly import run as run_agent  # noqa: PLC0415 # The others need no driver.

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        stopping.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            # A second signal ends the process at once.
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await run_agent(settings, stopping)


def _start_logging(level: str) -> None:
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ConfigInvalid(f"--log-level {level}: expected debug, info, warning or error")
    logging.basicConfig(level=number, format=LOG_FORMAT, stream=sys.stderr)


@app.command()
def check(config: Config = DEFAULT_CONFIG) -> None:
    """Check the settings, and run nothing."""
    settings = load_settings(config)
    devices = len(settings.llrp) + len(settings.shelf_scale) + len(settings.pos_journal)
    typer.echo(f"{config}: store {settings.store}, {devices} devices, broker {settings.broker.url}")


@app.command()
def stock(
    gtin: GtinArgument = None, config: Config = DEFAULT_CONFIG, *, as_json: AsJson = False
) -> None:
    """Show the last authoritative counts, and what they are with what happened since.

    `expected` is `on_hand` with the pending facts that the cloud has not heard of.
    """
    settings = _used_settings(config)
    wanted = None if gtin is None else parse_gtin(gtin)
    lines = list(stock_lines(settings.outbox_path, settings.mirror_path, wanted))
    _print(STOCK_COLUMNS, [msgspec.structs.asdict(line) for line in lines], as_json=as_json)


@app.command()
def status(config: Config = DEFAULT_CONFIG, *, as_json: AsJson = False) -> None:
    """Show where outbox and mirror stand. Works while the agent runs."""
    settings = _used_settings(config)
    with closing(OutboxView(settings.outbox_path)) as outbox:
        row: dict[str, Any] = {
            "store": settings.store,
            "epoch": outbox.epoch,
            "next_seq": outbox.next_seq,
            "pending": sum(1 for _ in outbox.pending()),
        }
    with closing(SqliteMirror(settings.mirror_path, read_only=True)) as mirror:
        row["mirror_position"] = mirror.position
        row["open_reorders"] = len(mirror.open_reorders())
    _print(tuple(row), [row], as_json=as_json)


def _used_settings(config: Path) -> EdgeSettings:
    settings = load_settings(config)
    for path in (settings.outbox_path, settings.mirror_path):
        if not path.exists():
            raise ConfigInvalid(f"{config}: no agent has run here yet: there is no {path}")
    return settings


def _print(columns: Sequence[str], rows: list[dict[str, Any]], *, as_json: bool) -> None:
    """Print JSON, or a table on a terminal, or lines with tabs elsewhere."""
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(rows)))
        return
    cells = [["" if row[name] is None else str(row[name]) for name in columns] for row in rows]
    if not sys.stdout.isatty():
        for line in (columns, *cells):
            typer.echo("\t".join(line))
        return
    table = Table()
    for name in columns:
        table.add_column(name, justify="left" if name in TEXT_COLUMNS else "right")
    for line in cells:
        table.add_row(*line)
    Console().print(table)


app.add_typer(bench_app, name="bench")
for _command in (record, replay, tune):
    app.command()(_command)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (ConfigInvalid, InvalidIdentifier, Mistake) as error:
        _exit(str(error), EXIT_MISTAKE)
    except EdgeError as error:
        _exit(str(error), EXIT_FAILED)


def _exit(message: str, code: int) -> None:
    typer.echo(f"stocktruth-edge: {message}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
