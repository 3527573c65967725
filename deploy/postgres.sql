-- Roles and rights of a PostgreSQL journal. Run once as a superuser:
--   createdb --encoding=UTF8 --template=template0 stocktruth
--   psql -v ON_ERROR_STOP=1 -d stocktruth -f postgres.sql
-- then, as the owner of the schema and after each upgrade:
--   stocktruth-cloud migrate --config migrate.toml     # journal.url of stocktruth_owner
-- and run the cloud as stocktruth_cloud, which may read and write rows and nothing else.

CREATE ROLE stocktruth_owner LOGIN;   -- \password stocktruth_owner
CREATE ROLE stocktruth_cloud LOGIN;   -- \password stocktruth_cloud

REVOKE CREATE ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO stocktruth_owner;
GRANT USAGE ON SCHEMA public TO stocktruth_cloud;

-- What the owner makes, the cloud may use.
ALTER DEFAULT PRIVILEGES FOR ROLE stocktruth_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO stocktruth_cloud;
ALTER DEFAULT PRIVILEGES FOR ROLE stocktruth_owner IN SCHEMA public
    GRANT USAGE ON SEQUENCES TO stocktruth_cloud;
