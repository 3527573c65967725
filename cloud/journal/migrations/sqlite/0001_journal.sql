-- One file is one shard's journal: a log of inputs, and the rows that they led to.

CREATE TABLE journal (
    id                INTEGER PRIMARY KEY CHECK (id = 1),
    shard             TEXT,               -- NULL until the first owner comes
    owner_epoch       INTEGER NOT NULL,   -- who has an older one cannot commit
    published_through INTEGER NOT NULL    -- position that the broker has confirmed
) STRICT;
INSERT INTO journal VALUES (1, NULL, 0, 0);

CREATE TABLE inputs (
    position      INTEGER PRIMARY KEY,
    kind          TEXT    NOT NULL CHECK (kind IN ('batch', 'command')),
    store         TEXT    NOT NULL,
    epoch         INTEGER NOT NULL,
    first_seq     INTEGER NOT NULL,       -- first fact of the batch that was new
    last_seq      INTEGER NOT NULL,
    stamped_at_ms INTEGER NOT NULL,
    payload       BLOB    NOT NULL        -- the frame as it came, or the command
) STRICT;
CREATE INDEX inputs_by_seq ON inputs (store, epoch, last_seq);

CREATE TABLE watermarks (
    store       TEXT    NOT NULL,
    epoch       INTEGER NOT NULL,
    through_seq INTEGER NOT NULL,
    PRIMARY KEY (store, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE stores (
    store    TEXT    NOT NULL PRIMARY KEY,
    position INTEGER NOT NULL,            -- of the newest state that was told
    epoch    INTEGER NOT NULL             -- the newest one heard of
) STRICT, WITHOUT ROWID;

CREATE TABLE states (
    store    TEXT    NOT NULL,
    gtin     TEXT    NOT NULL,
    position INTEGER NOT NULL,
    state    BLOB    NOT NULL,
    PRIMARY KEY (store, gtin)
) STRICT, WITHOUT ROWID;
CREATE INDEX states_by_position ON states (store, position);

CREATE TABLE business_keys (
    store         TEXT    NOT NULL,
    "transaction" TEXT    NOT NULL,
    line          INTEGER NOT NULL,
    position      INTEGER NOT NULL,       -- position and seq name the fact that claimed the line
    seq           INTEGER NOT NULL,
    digest        BLOB    NOT NULL,
    PRIMARY KEY (store, "transaction", line)
) STRICT, WITHOUT ROWID;

CREATE TABLE reorders (
    store            TEXT    NOT NULL,
    gtin             TEXT    NOT NULL,
    number           INTEGER NOT NULL,
    updated_position INTEGER NOT NULL,
    measure          TEXT    NOT NULL,
    reorder          BLOB    NOT NULL,
    PRIMARY KEY (store, gtin, number)
) STRICT, WITHOUT ROWID;
CREATE INDEX reorders_by_position ON reorders (updated_position);

CREATE TABLE eras (
    number       INTEGER PRIMARY KEY,
    logic        INTEGER NOT NULL,
    opened_after INTEGER NOT NULL,
    opened_at_ms INTEGER NOT NULL
) STRICT;

-- The snapshot with which the newest era opened. Older eras are closed: their logic is gone.
CREATE TABLE opening_states (
    store    TEXT    NOT NULL,
    gtin     TEXT    NOT NULL,
    position INTEGER NOT NULL,
    state    BLOB    NOT NULL,
    PRIMARY KEY (store, gtin)
) STRICT, WITHOUT ROWID;

CREATE TABLE opening_watermarks (
    store       TEXT    NOT NULL,
    epoch       INTEGER NOT NULL,
    through_seq INTEGER NOT NULL,
    PRIMARY KEY (store, epoch)
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    status              TEXT    NOT NULL
                        CHECK (status IN ('quarantined', 'redrive_requested', 'redriven')),
    times               INTEGER NOT NULL,
    last_received_at_ms INTEGER NOT NULL,
    digest              BLOB    NOT NULL,
    topic               TEXT    NOT NULL,
    store               TEXT    NOT NULL,  -- '' when the topic named none
    epoch               INTEGER NOT NULL,  -- epoch and seq of a single fact, 0 for a payload
    seq                 INTEGER NOT NULL,
    reason              TEXT    NOT NULL,
    detail              TEXT    NOT NULL,
    payload             BLOB    NOT NULL,
    received_at_ms      INTEGER NOT NULL,
    UNIQUE (store, digest)
) STRICT;
CREATE INDEX quarantine_redrives ON quarantine (id) WHERE status = 'redrive_requested';
