"""The named crash points: where exactly a victim kills itself. Pure data.

A point stands before or after a call of a function of the product, or at a write or sync of its
SQLite files. The product knows nothing of this: `wrapping` puts the traps in from outside. The
order is that of a fact's way: from the spool through the outbox, the broker and the journal back to
the acknowledgement.
"""

from typing import Final, Literal, NamedTuple

Program = Literal["edge", "cloud"]
Moment = Literal["running", "starting", "birth"]
"""When a point is passed: under load, while a process starts, or only in its very first life."""

OPERATIONS: Final = ("write", "torn_write", "before_sync", "after_sync")

FREQUENT: Final = 12
FEW: Final = 3


class Point(NamedTuple):
    """One place. `target` is `module:function`, `module:Class.method` or `disk:file:operation`.

    The victim dies at a call between the first and `calls_max`; `patience_s` is how long it may
    take until the point is passed at all. `journal` names the kind of journal it belongs to.
    """

    name: str
    target: str
    when: Literal["before", "after"] = "before"
    calls_max: int = FEW
    moment: Moment = "running"
    patience_s: float = 5.0
    journal: Literal["sqlite", "postgres", ""] = ""

    @property
    def program(self) -> Program:
        """Whose point it is."""
        return "edge" if self.name.startswith("edge.") else "cloud"


_SPOOL: Final = "edge.devices.pos_journal:PosJournalDriver"
_WRITER: Final = "edge.outbox.writer:Writer"
_TABLE: Final = "edge.outbox.table:FactTable"
_UPLINK: Final = "edge.uplink.mqtt:Uplink"
_SESSION: Final = "edge.uplink.session:Session"
_SQLITE: Final = "cloud.journal.sqlite:SqliteJournal"
_PUBLISHER: Final = "cloud.publisher.session:Session"
_PUMP: Final = "cloud.publisher.pump:Publisher"
_SUBMITTER: Final = "cloud.api.submitting:Submitter"
_RARE_S: Final = 15.0
"""The log is moved when it has grown for a while; every life adds to it."""

EDGE: Final = (
    Point("edge.spool.understood", f"{_SPOOL}._record", calls_max=FREQUENT),
    Point("edge.commit.before", f"{_WRITER}._commit", calls_max=FREQUENT),
    Point("edge.commit.facts_stored", f"{_TABLE}.insert", "after", calls_max=FREQUENT),
    Point("edge.commit.checkpoints_stored", f"{_TABLE}.set_checkpoints", "after", FREQUENT),
    Point("edge.commit.saved", f"{_TABLE}.save", "after", calls_max=FREQUENT),
    Point("edge.commit.durable_unanswered", f"{_WRITER}._adopt", calls_max=FREQUENT),
    Point("edge.commit.answered", f"{_WRITER}._commit", "after", calls_max=FREQUENT),
    Point("edge.spool.before_delete", f"{_SPOOL}._dispose", calls_max=FREQUENT),
    Point("edge.spool.after_delete", f"{_SPOOL}._dispose", "after", calls_max=FREQUENT),
    Point("edge.disk.wal_write", "disk:outbox.db-wal:write", calls_max=40),
    Point("edge.disk.wal_torn_write", "disk:outbox.db-wal:torn_write", calls_max=40),
    Point("edge.disk.wal_before_sync", "disk:outbox.db-wal:before_sync", calls_max=FREQUENT),
    Point("edge.disk.wal_after_sync", "disk:outbox.db-wal:after_sync", calls_max=FREQUENT),
    Point("edge.move_log.before", f"{_WRITER}._empty_log", calls_max=1, patience_s=_RARE_S),
    Point("edge.move_log.page", "disk:outbox.db:write", calls_max=8, patience_s=_RARE_S),
    Point("edge.move_log.torn_page", "disk:outbox.db:torn_write", calls_max=8, patience_s=_RARE_S),
    Point("edge.move_log.after", f"{_WRITER}._empty_log", "after", 1, patience_s=_RARE_S),
    Point("edge.batch.before_send", f"{_UPLINK}._send_batch", calls_max=FREQUENT),
    Point("edge.batch.sent", f"{_UPLINK}._send_batch", "after", calls_max=FREQUENT),
    Point("edge.publish.confirmed", "aiomqtt:Client.publish", "after", calls_max=FREQUENT),
    Point("edge.ack.heard", f"{_SESSION}._acked", calls_max=FREQUENT),
    Point("edge.trim.before", "edge.outbox.sqlite:SqliteOutbox.trim", calls_max=FREQUENT),
    Point("edge.trim.noted", "edge.outbox.sqlite:SqliteOutbox.trim", "after", calls_max=FREQUENT),
    Point("edge.trim.deleted", f"{_TABLE}.delete_through", "after", calls_max=FREQUENT),
    Point("edge.mirror.before", "edge.mirror.sqlite:SqliteMirror.apply", calls_max=FREQUENT),
    Point("edge.mirror.after", "edge.mirror.sqlite:SqliteMirror.apply", "after", FREQUENT),
    Point("edge.start.opened", "edge.outbox.sqlite_file:open_for_writing", "after", 1, "starting"),
    Point("edge.start.loaded", f"{_TABLE}.load", "after", 1, "starting"),
    Point("edge.start.before_hello", f"{_UPLINK}._hello_message", "before", 1, "starting"),
    Point("edge.start.welcomed", f"{_SESSION}._welcomed", "before", 1, "starting"),
    Point("edge.start.streaming", f"{_SESSION}._stream", "after", 1, "starting"),
    Point("edge.birth.migrating", "edge.outbox.sqlite_file:files", "before", 1, "birth"),
    Point("edge.birth.migrated_once", "edge.outbox.sqlite_file:files", "before", 2, "birth"),
    Point("edge.birth.migrated", "edge.outbox.sqlite_file:_migrate", "after", 1, "birth"),
)

CLOUD: Final = (
    Point("cloud.ingest.taken", "cloud.ingest.mqtt:Ingest.take", calls_max=FREQUENT),
    Point("cloud.ingest.offered", "cloud.ingest.mqtt:Ingest.take", "after", calls_max=FREQUENT),
    Point("cloud.shard.before", "cloud.shards.shard:Shard.commit", calls_max=FREQUENT),
    Point("cloud.commit.before", f"{_SQLITE}.commit", calls_max=FREQUENT, journal="sqlite"),
    Point("cloud.commit.written", f"{_SQLITE}._write", "after", FREQUENT, journal="sqlite"),
    Point("cloud.commit.durable", f"{_SQLITE}.commit", "after", FREQUENT, journal="sqlite"),
    Point("cloud.shard.committed", "cloud.shards.shard:Shard.commit", "after", FREQUENT),
    Point("cloud.told.before", "cloud.assembly:_Cloud._on_committed", calls_max=FREQUENT),
    Point("cloud.told.after", "cloud.assembly:_Cloud._on_committed", "after", FREQUENT),
    Point("cloud.disk.wal_write", "disk:journal.db-wal:write", calls_max=60, journal="sqlite"),
    Point(
        "cloud.disk.wal_torn_write",
        "disk:journal.db-wal:torn_write",
        "before",
        60,
        "running",
        5.0,
        "sqlite",
    ),
    Point(
        "cloud.disk.wal_before_sync",
        "disk:journal.db-wal:before_sync",
        "before",
        FREQUENT,
        "running",
        5.0,
        "sqlite",
    ),
    Point(
        "cloud.disk.wal_after_sync",
        "disk:journal.db-wal:after_sync",
        "before",
        FREQUENT,
        "running",
        5.0,
        "sqlite",
    ),
    Point(
        "cloud.move_log.before", f"{_SQLITE}._move_log", "before", 1, "running", _RARE_S, "sqlite"
    ),
    Point(
        "cloud.move_log.page", "disk:journal.db:write", "before", 20, "running", _RARE_S, "sqlite"
    ),
    Point(
        "cloud.move_log.torn_page",
        "disk:journal.db:torn_write",
        "before",
        20,
        "running",
        _RARE_S,
        "sqlite",
    ),
    Point("cloud.move_log.after", f"{_SQLITE}._move_log", "after", 1, "running", _RARE_S, "sqlite"),
    Point("cloud.api.before_submit", f"{_SUBMITTER}.submit"),
    Point("cloud.api.before_answer", f"{_SUBMITTER}._answer"),
    Point("cloud.api.after_answer", f"{_SUBMITTER}._answer", "after"),
    Point("cloud.ack.before_publish", f"{_PUBLISHER}._tell_committed", calls_max=FREQUENT),
    Point("cloud.ack.published", f"{_PUBLISHER}._tell_committed", "after", calls_max=FREQUENT),
    Point("cloud.publish.confirmed", f"{_PUBLISHER}._publish", "after", calls_max=FREQUENT),
    Point("cloud.retained.before_publish", f"{_PUBLISHER}._publish_retained", calls_max=FREQUENT),
    Point("cloud.retained.confirmed", f"{_PUBLISHER}._publish_retained", "after", FREQUENT),
    Point("cloud.marker.before", f"{_PUBLISHER}._publish_marker", calls_max=2),
    Point("cloud.marker.published", f"{_PUBLISHER}._publish_marker", "after", calls_max=2),
    Point(
        "cloud.start.opened",
        "cloud.journal.sqlite:open_for_writing",
        "after",
        1,
        "starting",
        8.0,
        "sqlite",
    ),
    Point("cloud.start.owning", f"{_SQLITE}.era", "before", 1, "starting", 8.0, "sqlite"),
    Point("cloud.start.owned", f"{_SQLITE}.take_ownership", "after", 1, "starting", 8.0, "sqlite"),
    Point("cloud.start.rules_loaded", "cloud.rule_book:RuleBook.load", "after", 1, "starting", 8.0),
    Point("cloud.start.before_read_back", f"{_PUMP}._read_back", "before", 1, "starting", 8.0),
    Point("cloud.start.read_back", f"{_PUMP}._read_back", "after", 1, "starting", 8.0),
    Point(
        "cloud.start.listening", "cloud.ingest.mqtt:Ingest._receive", "before", 1, "starting", 8.0
    ),
    Point(
        "cloud.fill.page_read",
        "cloud.publisher.refill:Refill.next_page",
        "after",
        1,
        "starting",
        8.0,
    ),
    Point("cloud.fill.page_offered", f"{_PUBLISHER}._fill_in", "after", 1, "starting", 8.0),
    Point(
        "cloud.birth.migrating",
        "cloud.journal.sqlite_file:_migrations",
        "before",
        1,
        "birth",
        8.0,
        "sqlite",
    ),
    Point(
        "cloud.birth.inside_migration",
        "cloud.journal.sqlite_file:_version",
        "before",
        2,
        "birth",
        8.0,
        "sqlite",
    ),
    Point(
        "cloud.birth.migration_write",
        "disk:journal.db-wal:write",
        "before",
        20,
        "birth",
        8.0,
        "sqlite",
    ),
    Point(
        "cloud.birth.migrated",
        "cloud.journal.sqlite_file:_migrate",
        "after",
        1,
        "birth",
        8.0,
        "sqlite",
    ),
    Point(
        "cloud.birth.first_owner", f"{_SQLITE}.take_ownership", "before", 1, "birth", 8.0, "sqlite"
    ),
)


def points_of(journal: str) -> list[Point]:
    """Return the points that a cloud on such a journal, and an agent, can pass."""
    return [point for point in (*EDGE, *CLOUD) if point.journal in ("", journal)]
