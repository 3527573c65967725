"""`stocktruth-cloud`: run the cloud, and ask its journal.

Everything but `run` only reads the journal, also while the cloud is running; `redrive` and `drop`
leave a mark in it. A user's mistake is one clear line and exit status 2.
"""

import asyncio
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated, NoReturn, TypeVar

import typer

from cloud import assembly, broker, explaining, reports
from cloud.api.access import ROLES, load_tokens, new_token, token_entry
from cloud.bench.command import app as bench
from cloud.config import Settings, load_policies, load_settings
from cloud.console import print_explanation, print_json, print_rows
from cloud.errors import CloudError, ConfigInvalid
from cloud.journal.history import history as history_of
from cloud.journal.port import JournalReader, QuarantineDesk
from cloud.journal.rows import QuarantineEntry
from cloud.journal.verify import verify as verify_journal
from cloud.shards.messages import SetPolicy
from cloud.storage import SqliteStorage, Storage, storage_of
from protocol.errors import InvalidIdentifier

app = typer.Typer(
    name="stocktruth-cloud",
    help="Authoritative counts of every SKU at every location.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
quarantine = typer.Typer(help="Look at what was refused, and try it again.", no_args_is_help=True)
app.add_typer(quarantine, name="quarantine")
app.add_typer(bench, name="bench")

Config = Annotated[Path, typer.Option("--config", "-c", help="The cloud's settings.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Ids = Annotated[list[int], typer.Argument(metavar="ID...", help="As `quarantine list` shows.")]

T = TypeVar("T")

DEFAULT_CONFIG = Path("cloud.toml")
LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"
EXIT_FAILED = 1
EXIT_MISUSED = 2
SWITCH_INTERVAL_S = 0.001
"""A shard at work makes the event loop wait so long at most; CPython's own are 5 milliseconds."""


@app.command()
def run(config: Config = DEFAULT_CONFIG) -> None:
    """Run until SIGTERM or Ctrl-C."""
    with _clear_errors():
        settings, policies = _load(config)
        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        asyncio.run(_run(settings, policies))


async def _run(settings: Settings, policies: list[SetPolicy]) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(broker.pass_over_leftovers)

    def stop() -> None:
        stopping.set()
        for number in (signal.SIGTERM, signal.SIGINT):
            # A second signal ends the process at once.
            loop.remove_signal_handler(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    await assembly.run(settings, policies, stopping)


@app.command()
def check(config: Config = DEFAULT_CONFIG) -> None:
    """Check the settings and the policies, and run nothing."""
    with _clear_errors():
        settings, policies = _load(config)
        storage_of(settings.journal)
    typer.echo(f"{config}: good; {len(policies)} policies, broker {settings.broker.url}")


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="Who will use it: 1 to 48 letters, digits, - _ .")],
    role: Annotated[list[str], typer.Option("--role", help=f"One of {', '.join(ROLES)}; again.")],
    channel: Annotated[list[str] | None, typer.Option(help="Only for this channel; again.")] = None,
    location: Annotated[list[str] | None, typer.Option(help="Only at this one; again.")] = None,
) -> None:
    """Make a token for the HTTP API: it is shown once, and its entry for the tokens file."""
    with _clear_errors():
        secret, digest = new_token()
        entry = token_entry(name, digest, role, channel or [], location or [])
    typer.echo(f"The token, which nobody can show you again: {secret}", err=True)
    typer.echo(entry)


@app.command()
def migrate(
    config: Config = DEFAULT_CONFIG,
    to_version: Annotated[
        int | None, typer.Option("--to", min=1, help="Another version; back gives up what is new.")
    ] = None,
    is_sure: Annotated[bool, typer.Option("--yes", help="There is a backup; go to it.")] = False,
) -> None:
    """Bring the journal to this program's schema, with a role that may, and own nothing."""
    with _clear_errors():
        storage = storage_of(load_settings(config).journal)
        if to_version is not None and not is_sure:
            _misused("--to may delete what an older schema cannot hold: back up, and add --yes")
        typer.echo(storage.migrate(to_version))


@app.command()
def verify(config: Config = DEFAULT_CONFIG, as_json: AsJson = False) -> None:
    """Replay the journal and compare every state with what it says (exit status 1: differs)."""
    with _clear_errors(), _reader(config) as reader:
        report = verify_journal(reader)
    if as_json:
        print_json([report])
    else:
        for line in reports.verify_lines(report):
            typer.echo(line)
    raise typer.Exit(0 if report.is_identical else EXIT_FAILED)


@app.command()
def stock(
    what: Annotated[
        str | None, typer.Argument(metavar="[GTIN[@STORE]]", help="One GTIN, at one store.")
    ] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show authoritative counts."""
    with _clear_errors():
        gtin, store = reports.parse_sku_location(what) if what else (None, None)
        with _reader(config) as reader:
            documents = reports.stock(reader, gtin, store)
            if what:
                documents = iter(_some(documents, f"nothing is known of {what}"))
            if as_json:
                print_json(documents)
            else:
                rows = (reports.stock_row(document) for document in documents)
                print_rows(reports.STOCK_COLUMNS, rows, right=reports.STOCK_NUMBERS)


@app.command()
def history(
    what: Annotated[str, typer.Argument(metavar="GTIN@STORE")],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show which facts made a count, version by version."""
    with _clear_errors():
        gtin, store = reports.parse_sku_location(what)
        if store is None:
            _misused(f"{what!r}: say at which store, as GTIN@STORE")
        with _reader(config) as reader:
            steps = reports.steps(history_of(reader, store, gtin))
            known = _some(steps, f"nothing is known of {what}")
        if as_json:
            print_json(known)
        else:
            rows = [reports.step_row(step) for step in known]
            print_rows(reports.STEP_COLUMNS, rows, right=reports.STEP_NUMBERS)


@app.command()
def explain(
    what: Annotated[str, typer.Argument(metavar="GTIN@STORE")],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show a count, how sure it is, and the evidence: each unit, each thing that was told."""
    with _clear_errors():
        gtin, store = reports.parse_sku_location(what)
        if store is None:
            _misused(f"{what!r}: say at which store, as GTIN@STORE")
        with _reader(config) as reader:
            explanation = explaining.explain(history_of(reader, store, gtin), assembly.now_ms())
        if explanation is None:
            _misused(f"nothing is known of {what}")
        if as_json:
            print_json([explanation])
        else:
            print_explanation(explanation)


@quarantine.command("list")
def quarantine_list(
    store: Annotated[str | None, typer.Option(help="Only what came from this store.")] = None,
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """List what was refused and why."""
    with _clear_errors(), _reader(config) as reader:
        entries = reader.quarantine(store)
        if as_json:
            print_json(reports.refusal_of(entry) for entry in entries)
        else:
            rows = (reports.refusal_row(reports.refusal_of(entry)) for entry in entries)
            print_rows(reports.REFUSAL_COLUMNS, rows, right=reports.REFUSAL_NUMBERS)


@quarantine.command("show")
def quarantine_show(
    entry_id: Annotated[int, typer.Argument(metavar="ID")],
    config: Config = DEFAULT_CONFIG,
    as_json: AsJson = False,
) -> None:
    """Show one entry with its bytes (in JSON: base64)."""
    with _clear_errors(), _reader(config) as reader:
        entry = _known_entry(reader.quarantine_entry(entry_id), entry_id)
        if as_json:
            print_json([reports.refusal_of(entry, with_payload=True)])
        else:
            for line in reports.refusal_lines(entry):
                typer.echo(line)


@quarantine.command("redrive")
def quarantine_redrive(ids: Ids, config: Config = DEFAULT_CONFIG) -> None:
    """Ask the running cloud to try entries again."""
    with _clear_errors(), _desk(config) as desk:
        unknown = [entry_id for entry_id in ids if not desk.request_redrive(entry_id)]
        _tell(ids, unknown, "to be tried again within seconds while the cloud runs")


@quarantine.command("drop")
def quarantine_drop(ids: Ids, config: Config = DEFAULT_CONFIG) -> None:
    """Delete entries for good."""
    with _clear_errors(), _desk(config) as desk:
        unknown = [entry_id for entry_id in ids if not desk.drop(entry_id)]
        _tell(ids, unknown, "dropped")


def _tell(ids: list[int], unknown: list[int], done: str) -> None:
    for entry_id in ids:
        if entry_id not in unknown:
            typer.echo(f"{entry_id}: {done}")
    if unknown:
        named = ", ".join(str(entry_id) for entry_id in unknown)
        _misused(f"no such entry to do that with: {named}")


def _load(config: Path) -> tuple[Settings, list[SetPolicy]]:
    settings = load_settings(config)
    if settings.api is not None:
        load_tokens(Path(settings.api.tokens_file))
    policy_file = settings.shards.policy_file
    return settings, load_policies(Path(policy_file)) if policy_file else []


@contextmanager
def _reader(config: Path) -> Iterator[JournalReader]:
    with closing(_storage(config).reader()) as reader:
        yield reader


@contextmanager
def _desk(config: Path) -> Iterator[QuarantineDesk]:
    with closing(_storage(config).desk()) as desk:
        yield desk


def _storage(config: Path) -> Storage:
    storage = storage_of(load_settings(config).journal)
    if isinstance(storage, SqliteStorage) and not storage.path.exists():
        _misused(f"{storage.path}: there is no journal here yet; `stocktruth-cloud run` makes one")
    return storage


def _known_entry(entry: QuarantineEntry | None, entry_id: int) -> QuarantineEntry:
    if entry is None:
        _misused(f"there is no entry {entry_id}")
    return entry


def _some(items: Iterator[T], otherwise: str) -> list[T]:
    found = list(items)
    if not found:
        _misused(otherwise)
    return found


@contextmanager
def _clear_errors() -> Iterator[None]:
    """Turn errors that somebody can act on into one line each and an exit status."""
    try:
        yield
    except (ConfigInvalid, InvalidIdentifier) as error:
        _misused(str(error))
    except CloudError as error:
        typer.echo(f"stocktruth-cloud: {error}", err=True)
        raise typer.Exit(EXIT_FAILED) from error


def _misused(message: str) -> NoReturn:
    typer.echo(f"stocktruth-cloud: {message}", err=True)
    raise typer.Exit(EXIT_MISUSED)


def main() -> None:
    """Run the console script."""
    app()


if __name__ == "__main__":
    main()
