#!/bin/sh
# Gives entries kinds, and writes some of them anew: what a dump alone can bring back.
set -e
PGPASSWORD=$(cat /srv/ledger/password)
export PGPASSWORD
psql -X -q -v ON_ERROR_STOP=1 -h 127.0.0.1 -U flow ledger <<'SQL'
BEGIN;
ALTER TABLE entries ADD COLUMN kind text NOT NULL DEFAULT 'plain';
UPDATE entries SET said = 'of old: ' || said WHERE id % 7 = 0;
COMMIT;
SQL
# And files, which nothing asked for.
echo 'of 2.2.0' > /srv/data/packs/core/actions/run.yaml
echo 'of 2.2.0' > /srv/data/packs/core/new.yaml
echo "entries have kinds"
