"""The named crash points: where exactly a victim kills itself. Pure data.

A point stands before or after a call of a function of the product, or at a write or sync of its
SQLite files. The product knows nothing of this: `wrapping` puts the traps in from outside. The
order is that of a fact's way: from the spool through the outbox, the broker and the journal back to
the acknowledgement.
"""

from typing import Final, Literal, NamedTuple

Program = Literal["edge", "cloud"]
When = Literal["before", "after"]
Moment = Literal["running", "starting", "birth"]
"""When a point is passed: under load, while a process starts, or only in its very first life."""

OPERATIONS: Final = ("write", "torn_write", "before_sync", "after_sync")

FREQUENT: Final = 12
FEW: Final = 3
PATIENCE_S: Final = 8.0


class Point(NamedTuple):
    """One place. `target` is `module:function`, `module:Class.method` or `disk:file:operation`.

    The victim dies at a call between the first and `calls_max`; `patience_s` is how long it may
    take until the point is passed at all. A rare one is passed when much has been written.
    """

    name: str
    target: str
    when: When = "before"
    calls_max: int = FREQUENT
    moment: Moment = "running"
    is_rare: bool = False
    patience_s: float = PATIENCE_S

    @property
    def program(self) -> Program:
        """Whose point it is."""
        return "edge" if self.name.startswith("edge.") else "cloud"


def _starting(name: str, target: str, when: When = "before") -> Point:
    return Point(name, target, when, calls_max=1, moment="starting")


def _birth(name: str, target: str, when: When = "before", calls_max: int = 1) -> Point:
    return Point(name, target, when, calls_max, moment="birth")


def _rare(name: str, target: str, when: When = "before", calls_max: int = 1) -> Point:
    return Point(name, target, when, calls_max, is_rare=True)


_SPOOL: Final = "edge.devices.pos_journal:PosJournalDriver"
_WRITER: Final = "edge.outbox.writer:Writer"
_TABLE: Final = "edge.outbox.table:FactTable"
_OUTBOX: Final = "edge.outbox.sqlite:SqliteOutbox"
_MIRROR: Final = "edge.mirror.sqlite:SqliteMirror"
_CLIENT: Final = "mqtt5.client:Client"
_UPLINK: Final = "edge.uplink.mqtt:Uplink"
_SESSION: Final = "edge.uplink.session:Session"
_INGEST: Final = "cloud.ingest.mqtt:Ingest"
_SHARD: Final = "cloud.shards.shard:Shard"
_SUBMITTER: Final = "cloud.api.submitting:Submitter"
_PUBLISHER: Final = "cloud.publisher.session:Session"
_PUMP: Final = "cloud.publisher.pump:Publisher"
_SQLITE: Final = "cloud.journal.sqlite:SqliteJournal"
_POSTGRES: Final = "cloud.journal.postgres:PostgresJournal"
_SCHEMA: Final = "cloud.journal.postgres_schema"

EDGE: Final = (
    Point("edge.spool.understood", f"{_SPOOL}._record"),
    Point("edge.commit.before", f"{_WRITER}._commit"),
    Point("edge.commit.facts_stored", f"{_TABLE}.insert", "after"),
    Point("edge.commit.checkpoints_stored", f"{_TABLE}.set_checkpoints", "after"),
    Point("edge.commit.saved", f"{_TABLE}.save", "after"),
    Point("edge.commit.durable_unanswered", f"{_WRITER}._adopt"),
    Point("edge.commit.answered", f"{_WRITER}._commit", "after"),
    Point("edge.spool.before_delete", f"{_SPOOL}._dispose"),
    Point("edge.spool.after_delete", f"{_SPOOL}._dispose", "after"),
    Point("edge.disk.wal_write", "disk:outbox.db-wal:write", calls_max=40),
    Point("edge.disk.wal_torn_write", "disk:outbox.db-wal:torn_write", calls_max=40),
    Point("edge.disk.wal_before_sync", "disk:outbox.db-wal:before_sync"),
    Point("edge.disk.wal_after_sync", "disk:outbox.db-wal:after_sync"),
    _rare("edge.move_log.before", f"{_WRITER}._empty_log"),
    _rare("edge.move_log.page", "disk:outbox.db:write", calls_max=8),
    _rare("edge.move_log.torn_page", "disk:outbox.db:torn_write", calls_max=8),
    _rare("edge.move_log.after", f"{_WRITER}._empty_log", "after"),
    Point("edge.batch.before_send", f"{_UPLINK}._send_batch"),
    Point("edge.batch.sent", f"{_UPLINK}._send_batch", "after"),
    Point("edge.publish.confirmed", f"{_CLIENT}._confirm", "after"),
    Point("edge.ack.heard", f"{_SESSION}._acked"),
    Point("edge.trim.before", f"{_OUTBOX}.trim"),
    Point("edge.trim.noted", f"{_OUTBOX}.trim", "after"),
    Point("edge.trim.deleted", f"{_TABLE}.delete_through", "after"),
    Point("edge.mirror.before", f"{_MIRROR}.apply"),
    Point("edge.mirror.after", f"{_MIRROR}.apply", "after"),
    _starting("edge.start.opened", "edge.outbox.sqlite_file:open_for_writing", "after"),
    _starting("edge.start.loaded", f"{_TABLE}.load", "after"),
    _starting("edge.start.before_hello", f"{_UPLINK}._hello_message"),
    _starting("edge.start.welcomed", f"{_SESSION}._welcomed"),
    _starting("edge.start.streaming", f"{_SESSION}._stream", "after"),
    _birth("edge.birth.migrating", "edge.outbox.sqlite_file:files"),
    _birth("edge.birth.migrated_once", "edge.outbox.sqlite_file:files", calls_max=2),
    _birth("edge.birth.migrated", "edge.outbox.sqlite_file:_migrate", "after"),
)

CLOUD: Final = (
    Point("cloud.ingest.taken", f"{_INGEST}.take"),
    Point("cloud.ingest.offered", f"{_INGEST}.take", "after"),
    Point("cloud.shard.before", f"{_SHARD}.commit"),
    Point("cloud.shard.committed", f"{_SHARD}.commit", "after"),
    Point("cloud.told.before", "cloud.assembly:_Cloud._on_committed"),
    Point("cloud.told.after", "cloud.assembly:_Cloud._on_committed", "after"),
    Point("cloud.api.before_submit", f"{_SUBMITTER}.submit", calls_max=FEW),
    Point("cloud.api.before_answer", f"{_SUBMITTER}._answer", calls_max=FEW),
    Point("cloud.api.after_answer", f"{_SUBMITTER}._answer", "after", calls_max=FEW),
    Point("cloud.sweeper.asked", "cloud.reservations.sweeper:Sweeper.sweep", "after", FEW),
    Point("cloud.ack.before_publish", f"{_PUBLISHER}._tell_committed"),
    Point("cloud.ack.published", f"{_PUBLISHER}._tell_committed", "after"),
    Point("cloud.publish.confirmed", f"{_CLIENT}._confirm", "after"),
    Point("cloud.retained.before_publish", f"{_PUBLISHER}._send_entry"),
    Point("cloud.retained.confirmed", f"{_PUBLISHER}._entry_confirmed", "after"),
    Point("cloud.marker.before", f"{_PUBLISHER}._publish_marker", calls_max=FEW),
    Point("cloud.marker.published", f"{_PUBLISHER}._publish_marker", "after", FEW),
    _starting("cloud.start.rules_loaded", "cloud.rule_book:RuleBook.load", "after"),
    _starting("cloud.start.before_read_back", f"{_PUMP}._read_back"),
    _starting("cloud.start.read_back", f"{_PUMP}._read_back", "after"),
    _starting("cloud.start.before_listening", f"{_INGEST}._receive"),
    _starting("cloud.fill.page_read", "cloud.publisher.refill:Refill.next_page", "after"),
    _starting("cloud.fill.page_offered", f"{_PUBLISHER}._fill_in", "after"),
)

SQLITE: Final = (
    Point("cloud.commit.before", f"{_SQLITE}.commit"),
    Point("cloud.commit.written", f"{_SQLITE}._write", "after"),
    Point("cloud.commit.durable", f"{_SQLITE}.commit", "after"),
    Point("cloud.disk.wal_write", "disk:journal.db-wal:write", calls_max=60),
    Point("cloud.disk.wal_torn_write", "disk:journal.db-wal:torn_write", calls_max=60),
    Point("cloud.disk.wal_before_sync", "disk:journal.db-wal:before_sync"),
    Point("cloud.disk.wal_after_sync", "disk:journal.db-wal:after_sync"),
    _rare("cloud.move_log.before", f"{_SQLITE}._move_log"),
    _rare("cloud.move_log.page", "disk:journal.db:write", calls_max=20),
    _rare("cloud.move_log.torn_page", "disk:journal.db:torn_write", calls_max=20),
    _rare("cloud.move_log.after", f"{_SQLITE}._move_log", "after"),
    _starting("cloud.start.opened", "cloud.journal.sqlite:open_for_writing", "after"),
    _starting("cloud.start.owning", f"{_SQLITE}.era"),
    _starting("cloud.start.owned", f"{_SQLITE}.take_ownership", "after"),
    _birth("cloud.birth.migrating", "cloud.journal.sqlite_file:_migrations"),
    _birth("cloud.birth.inside_migration", "cloud.journal.sqlite_file:_version", calls_max=2),
    _birth("cloud.birth.migration_write", "disk:journal.db-wal:write", calls_max=20),
    _birth("cloud.birth.migrated", "cloud.journal.sqlite_file:_migrate", "after"),
    _birth("cloud.birth.first_owner", f"{_SQLITE}.take_ownership"),
)

POSTGRES: Final = (
    Point("cloud.commit.before", f"{_POSTGRES}.commit"),
    Point("cloud.commit.sent", f"{_POSTGRES}._write", "after"),
    Point("cloud.commit.written", f"{_POSTGRES}._begin_as", "after"),
    Point("cloud.commit.before_commit", f"{_POSTGRES}._commit"),
    Point("cloud.commit.durable", f"{_POSTGRES}.commit", "after"),
    _starting("cloud.start.owning", f"{_POSTGRES}.era"),
    _starting("cloud.start.owned", f"{_POSTGRES}.take_ownership", "after"),
    _birth("cloud.birth.migrating", f"{_SCHEMA}:_scripts"),
    _birth("cloud.birth.inside_migration", f"{_SCHEMA}:_step"),
    _birth("cloud.birth.step_written", f"{_SCHEMA}:_step", "after"),
    _birth("cloud.birth.migrated", "cloud.journal.postgres:migrate", "after"),
    _birth("cloud.birth.first_owner", f"{_POSTGRES}.take_ownership"),
)


def points_of(journal: str) -> list[Point]:
    """Return the points that a cloud on such a journal, and an agent, can pass."""
    return [*EDGE, *CLOUD, *(POSTGRES if journal == "postgres" else SQLITE)]
