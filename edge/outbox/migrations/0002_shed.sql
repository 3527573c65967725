-- Telemetry that was refused and that the cloud has not been told of yet.
ALTER TABLE life ADD COLUMN telemetry_shed INTEGER NOT NULL DEFAULT 0;
