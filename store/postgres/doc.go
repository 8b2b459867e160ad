// Package postgres keeps records in a PostgreSQL database (12 or newer), for
// logins that several machines share.
//
// A claim is an advisory lock of a database session that does nothing else: the
// server ends it when the holder dies, however it dies, and never because the
// holder is slow. No transaction is open meanwhile. TCP keep-alives are set so
// that the server lets go of a host that vanished within a minute. A commit
// compares the record's version, which never comes twice, so that a holder whose
// connection broke in mid-request can still save what it received, unless
// somebody else has changed the record since.
//
// # What it needs
//
// The primary: a standby may be behind, and its locks bind nobody. With several
// hosts in the connection string the primary is looked for.
//
// A direct connection. A claim through a connection pooler such as PgBouncer is
// refused in any of its modes: in transaction mode the lock would belong to
// whoever uses the server's session next, and in session mode the server can't
// see that a holder's host has vanished.
//
// Synchronous replication, if a fail-over must not lose a commit: with an
// asynchronous standby the spent token of a moment before can come back.
//
// Anyone who may read the table has the logins in it, so grant it to nobody else,
// use sslmode=verify-full on a network, and seal the records (package seal).
// Anyone who may connect to the database can hold its advisory locks, and so keep
// others from refreshing: use a database of its own.
//
// # Setting it up
//
// A role that may create tables in its search_path needs no more: the first claim
// creates codexauth_meta and codexauth_records there. (Reading creates nothing.)
// The simplest is a database that belongs to the role:
//
//	CREATE ROLE codexauth LOGIN PASSWORD '…';
//	CREATE DATABASE codexauth OWNER codexauth;
//
// For a role with the least privileges the owner creates the tables, by running
// [Tables], and grants their use:
//
//	CREATE SCHEMA codexauth;
//	SET search_path = codexauth;
//	-- the statements of Tables
//	CREATE ROLE fleet LOGIN PASSWORD '…';
//	GRANT CONNECT ON DATABASE logins TO fleet;
//	GRANT USAGE ON SCHEMA codexauth TO fleet;
//	GRANT SELECT ON codexauth.codexauth_meta TO fleet;
//	GRANT SELECT, INSERT, UPDATE, DELETE ON codexauth.codexauth_records TO fleet;
//	ALTER ROLE fleet IN DATABASE logins SET search_path = codexauth;
//
// Several stores in one database are several schemas: postgres://…?search_path=b.
package postgres
