-- Back to version 1: what a shard keeps besides states is given up, so back it up before.

DROP TABLE effects;
DROP TABLE command_keys;
DROP TABLE opening_records;
DROP TABLE record_refs;
DROP TABLE records;
