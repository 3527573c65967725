-- What a shard keeps besides states: reservations, orders, despatch advices, returns, documents, notices.

CREATE TABLE records (
    kind      TEXT COLLATE "C"    NOT NULL,
    store     TEXT COLLATE "C"    NOT NULL,
    id        TEXT COLLATE "C"    NOT NULL,
    position  BIGINT NOT NULL,
    is_open   BOOLEAN NOT NULL,
    due_at_ms BIGINT,                    -- NULL: nothing happens to it by itself
    refs      TEXT COLLATE "C"    NOT NULL,           -- a JSON array of what it is found by
    record    BYTEA    NOT NULL,
    PRIMARY KEY (kind, store, id)
);
CREATE INDEX records_by_position ON records (kind, position);
CREATE INDEX records_due ON records (kind, due_at_ms) WHERE due_at_ms IS NOT NULL;
CREATE INDEX records_open ON records (kind, store, id) WHERE is_open;

CREATE TABLE record_refs (
    kind  TEXT COLLATE "C" NOT NULL,
    ref   TEXT COLLATE "C" NOT NULL,
    store TEXT COLLATE "C" NOT NULL,
    id    TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (kind, ref, store, id)
);

CREATE TABLE opening_records (
    kind      TEXT COLLATE "C"    NOT NULL,
    store     TEXT COLLATE "C"    NOT NULL,
    id        TEXT COLLATE "C"    NOT NULL,
    position  BIGINT NOT NULL,
    is_open   BOOLEAN NOT NULL,
    due_at_ms BIGINT,
    refs      TEXT COLLATE "C"    NOT NULL,
    record    BYTEA    NOT NULL,
    PRIMARY KEY (kind, store, id)
);

-- Commands that were accepted under a key: who sends one again gets the first answer.
CREATE TABLE command_keys (
    key           TEXT COLLATE "C"    NOT NULL PRIMARY KEY,
    position      BIGINT NOT NULL,
    stamped_at_ms BIGINT NOT NULL,
    digest        BYTEA    NOT NULL,
    answer        BYTEA    NOT NULL
);

-- What commands told SKU-locations, for their history.
CREATE TABLE effects (
    store      TEXT COLLATE "C"    NOT NULL,
    gtin       TEXT COLLATE "C"    NOT NULL,
    position   BIGINT NOT NULL,
    ordinal    BIGINT NOT NULL,
    stamped_at_ms BIGINT NOT NULL,
    seq        BIGINT NOT NULL,          -- of the fact, 0 for a command
    cause_kind TEXT COLLATE "C"    NOT NULL,
    message    BYTEA    NOT NULL,
    PRIMARY KEY (store, gtin, position, ordinal)
);
