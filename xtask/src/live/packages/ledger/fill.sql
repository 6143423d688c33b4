-- A database of the product's own, of a role that may make others; rows that do not compress away.
\set ON_ERROR_STOP on
CREATE ROLE flow LOGIN CREATEDB PASSWORD '@PASSWORD@';
CREATE DATABASE ledger OWNER flow;
\connect ledger
SET ROLE flow;
CREATE TABLE entries (id serial PRIMARY KEY, said text NOT NULL, at timestamptz NOT NULL);
CREATE INDEX entries_at ON entries (at);
INSERT INTO entries (said, at)
    SELECT md5(n::text) || md5((n * 7)::text), timestamptz '2020-01-01 00:00+00' + n * interval '1 minute' FROM generate_series(1, 5000) n;
CREATE VIEW latest AS SELECT * FROM entries ORDER BY at DESC LIMIT 10;
