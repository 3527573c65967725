-- What a shard keeps besides states: reservations, orders, despatch advices, returns, documents, notices.

CREATE TABLE records (
    kind      TEXT    NOT NULL,
    store     TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    position  INTEGER NOT NULL,
    is_open   INTEGER NOT NULL,
    due_at_ms INTEGER,                    -- NULL: nothing happens to it by itself
    refs      TEXT    NOT NULL,           -- a JSON array of what it is found by
    record    BLOB    NOT NULL,
    PRIMARY KEY (kind, store, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX records_by_position ON records (kind, position);
CREATE INDEX records_due ON records (kind, due_at_ms) WHERE due_at_ms IS NOT NULL;
CREATE INDEX records_open ON records (kind, store, id) WHERE is_open;

CREATE TABLE record_refs (
    kind  TEXT NOT NULL,
    ref   TEXT NOT NULL,
    store TEXT NOT NULL,
    id    TEXT NOT NULL,
    PRIMARY KEY (kind, ref, store, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE opening_records (
    kind      TEXT    NOT NULL,
    store     TEXT    NOT NULL,
    id        TEXT    NOT NULL,
    position  INTEGER NOT NULL,
    is_open   INTEGER NOT NULL,
    due_at_ms INTEGER,
    refs      TEXT    NOT NULL,
    record    BLOB    NOT NULL,
    PRIMARY KEY (kind, store, id)
) STRICT, WITHOUT ROWID;

-- Commands that were accepted under a key: who sends one again gets the first answer.
CREATE TABLE command_keys (
    key           TEXT    NOT NULL PRIMARY KEY,
    position      INTEGER NOT NULL,
    stamped_at_ms INTEGER NOT NULL,
    digest        BLOB    NOT NULL,
    answer        BLOB    NOT NULL
) STRICT, WITHOUT ROWID;

-- What commands told SKU-locations, for their history.
CREATE TABLE effects (
    store      TEXT    NOT NULL,
    gtin       TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    ordinal    INTEGER NOT NULL,
    stamped_at_ms INTEGER NOT NULL,
    seq        INTEGER NOT NULL,          -- of the fact, 0 for a command
    cause_kind TEXT    NOT NULL,
    message    BLOB    NOT NULL,
    PRIMARY KEY (store, gtin, position, ordinal)
) STRICT, WITHOUT ROWID;
