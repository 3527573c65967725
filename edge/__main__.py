"""`stocktruth-edge`: the agent in a store gateway, and a look at what it holds."""

import asyncio
import logging
import signal
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
import typer
from rich.console import Console
from rich.table import Table

from edge.config import EdgeSettings, load_settings
from edge.errors import ConfigInvalid, EdgeError
from edge.mirror.expected import NOTHING_PENDING, pending_effects
from edge.mirror.sqlite import SqliteMirror
from edge.outbox.view import OutboxView
from protocol.documents import timestamp
from protocol.errors import InvalidIdentifier
from protocol.ids import parse_gtin

EXIT_FAILED: Final = 1
EXIT_MISTAKE: Final = 2

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
Config = Annotated[Path, typer.Option("--config", "-c", help="The agent's store.toml.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command()
def run(
    config: Config,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Run the agent until SIGTERM or SIGINT."""
    settings = load_settings(config)
    _start_logging(log_level)
    asyncio.run(_run(settings))


async def _run(settings: EdgeSettings) -> None:
    from edge.assembly import run as run_agent  # noqa: PLC0415 # `check` and `stock` need no driver.

    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    await run_agent(settings, stopping)


def _start_logging(level: str) -> None:
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ConfigInvalid(f"--log-level {level}: expected debug, info, warning or error")
    logging.basicConfig(
        level=number, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )


@app.command()
def check(config: Config) -> None:
    """Validate a configuration without running it."""
    settings = load_settings(config)
    devices = len(settings.llrp) + len(settings.shelf_scale) + len(settings.pos_journal)
    typer.echo(f"{config}: store {settings.store}, {devices} devices, broker {settings.broker.url}")


@app.command()
def stock(
    config: Config,
    gtin: Annotated[str | None, typer.Argument(help="Show this GTIN only.")] = None,
    *,
    as_json: Json = False,
) -> None:
    """Show the last authoritative counts, and what pending facts will change. Works offline."""
    settings = load_settings(config)
    rows = _stock_rows(settings, None if gtin is None else parse_gtin(gtin))
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    columns = ("gtin", "expected", "on_hand", "pending", "version", "as_of")
    _print_table(columns, rows)


def _stock_rows(settings: EdgeSettings, gtin: str | None) -> list[dict[str, Any]]:
    if not settings.mirror_path.exists() or not settings.outbox_path.exists():
        raise ConfigInvalid(f"{settings.data_dir}: no agent has run here yet")
    mirror = SqliteMirror(settings.mirror_path, read_only=True)
    outbox = OutboxView(settings.outbox_path)
    progress = mirror.progress()
    known_through = progress.through_seq if progress.epoch == outbox.epoch else 0
    news = (fact for seq, fact in outbox.pending() if seq > known_through)
    effects = pending_effects(news)
    states = {state.gtin: state for state in mirror.states(gtin)}
    mirror.close()
    rows = []
    for number in sorted(states.keys() | (effects.keys() if gtin is None else {gtin})):
        state, pending = states.get(number), effects.get(number, NOTHING_PENDING)
        if state is None and not pending.facts:
            continue
        on_hand = 0 if state is None else state.on_hand
        rows.append(
            {
                "gtin": number,
                "expected": pending.expected(on_hand),
                "on_hand": on_hand,
                "pending": pending.facts,
                "version": 0 if state is None else state.version,
                "as_of": None if state is None else timestamp(state.as_of_ms),
            }
        )
    outbox.close()
    return rows


@app.command()
def status(config: Config, *, as_json: Json = False) -> None:
    """Show where the outbox and the mirror stand. Works while the agent runs."""
    settings = load_settings(config)
    if not settings.outbox_path.exists():
        raise ConfigInvalid(f"{settings.data_dir}: no agent has run here yet")
    outbox = OutboxView(settings.outbox_path)
    mirror = SqliteMirror(settings.mirror_path, read_only=True)
    progress = mirror.progress()
    row = {
        "store": settings.store,
        "epoch": outbox.epoch,
        "next_seq": outbox.next_seq,
        "pending": sum(1 for _ in outbox.pending()),
        "mirror_position": progress.position,
        "open_reorders": len(mirror.open_reorders()),
    }
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(row)).decode())
    else:
        _print_table(tuple(row), [row])


def _print_table(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    if not sys.stdout.isatty():
        typer.echo("\t".join(columns))
        for row in rows:
            typer.echo("\t".join("" if row[name] is None else str(row[name]) for name in columns))
        return
    table = Table(*columns)
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in columns))
    Console().print(table)


def main() -> None:
    """Run the command line; a user's mistake is one line and exit code 2, never a traceback."""
    try:
        app()
    except (ConfigInvalid, InvalidIdentifier) as error:
        typer.echo(f"stocktruth-edge: {error}", err=True)
        sys.exit(EXIT_MISTAKE)
    except EdgeError as error:
        typer.echo(f"stocktruth-edge: {error}", err=True)
        sys.exit(EXIT_FAILED)


if __name__ == "__main__":
    main()
