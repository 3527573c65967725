-- One epoch at a time: the facts that the cloud has not acknowledged yet.
CREATE TABLE facts (
    seq   INTEGER PRIMARY KEY,
    class INTEGER NOT NULL,
    data  BLOB NOT NULL
) STRICT;

-- Telemetry is looked up when the disk budget is exceeded, and only then.
CREATE INDEX facts_telemetry ON facts (seq) WHERE class = 0;

-- Sensing state that commits with the facts it led to.
CREATE TABLE checkpoints (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- `next_seq` outlives the facts: a number is never given twice in an epoch.
CREATE TABLE life (
    only     INTEGER PRIMARY KEY CHECK (only = 1),
    epoch    INTEGER NOT NULL,
    next_seq INTEGER NOT NULL
) STRICT;
