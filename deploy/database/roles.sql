-- The least that a fleet needs of PostgreSQL 12 or newer. The owner makes the tables,
-- and the fleet's role only uses them. To be run by a superuser or the database's
-- owner, if that may make roles, with psql 14 or newer. The role's name and password
-- come from the environment, since a command line can be read by every process:
--   CODEXAUTH_FLEET=fleet CODEXAUTH_FLEET_PASSWORD=… psql -v ON_ERROR_STOP=1 -d logins -f roles.sql
\getenv fleet CODEXAUTH_FLEET
\getenv password CODEXAUTH_FLEET_PASSWORD
BEGIN;
CREATE SCHEMA codexauth;
SET LOCAL search_path = codexauth;
CREATE TABLE codexauth_records (
	key        bytea PRIMARY KEY,
	version    text NOT NULL,
	record     bytea NOT NULL,
	changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE codexauth_meta (
	one     boolean PRIMARY KEY DEFAULT true CHECK (one),
	version integer NOT NULL
);
INSERT INTO codexauth_meta (version) VALUES (1);
CREATE ROLE :"fleet" LOGIN PASSWORD :'password';
SELECT current_database() AS here \gset
REVOKE CONNECT ON DATABASE :"here" FROM PUBLIC;
GRANT CONNECT ON DATABASE :"here" TO :"fleet";
GRANT USAGE ON SCHEMA codexauth TO :"fleet";
GRANT SELECT ON codexauth_meta TO :"fleet";
GRANT SELECT, INSERT, UPDATE, DELETE ON codexauth_records TO :"fleet";
ALTER ROLE :"fleet" IN DATABASE :"here" SET search_path = codexauth;
COMMIT;
