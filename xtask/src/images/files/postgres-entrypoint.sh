#!/bin/sh
# What the official image does on start: initialise an empty data directory from POSTGRES_*, then become the server.
set -eu

fail() {
	echo >&2 "Error: $1"
	exit 1
}

from_file() {
	eval "value=\${$1:-}"
	eval "file=\${$1_FILE:-}"
	if [ -n "$file" ]; then
		value="$(cat "$file")"
	fi
	eval "$1=\$value"
}

initialise() {
	from_file POSTGRES_PASSWORD
	from_file POSTGRES_USER
	from_file POSTGRES_DB
	: "${POSTGRES_USER:=postgres}"
	: "${POSTGRES_DB:=$POSTGRES_USER}"
	method="${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}"
	if [ -z "$POSTGRES_PASSWORD" ] && [ "$method" != trust ]; then
		fail 'Database is uninitialized and superuser password is not specified.'
	fi
	umask 077
	printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
	# shellcheck disable=SC2086
	initdb --username="$POSTGRES_USER" --pwfile=/tmp/password ${POSTGRES_INITDB_ARGS:-}
	rm /tmp/password
	printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"

	pg_ctl -D "$PGDATA" -o "-c listen_addresses='' -p 5432" -w start
	if [ "$POSTGRES_DB" != postgres ]; then
		psql -v ON_ERROR_STOP=1 --no-psqlrc -U "$POSTGRES_USER" -d postgres -v name="$POSTGRES_DB" <<-'SQL'
			CREATE DATABASE :"name";
		SQL
	fi
	for script in /docker-entrypoint-initdb.d/*; do
		case "$script" in
		*.sh) . "$script" ;;
		*.sql) psql -v ON_ERROR_STOP=1 --no-psqlrc -U "$POSTGRES_USER" -d "$POSTGRES_DB" -f "$script" ;;
		esac
	done
	pg_ctl -D "$PGDATA" -m fast -w stop
	echo 'PostgreSQL init process complete; ready for start up.'
}

if [ "${1#-}" != "$1" ]; then
	set -- postgres "$@"
fi

if [ "$1" = postgres ]; then
	if [ "$(id -u)" = 0 ]; then
		# By its path: a BusyBox shell prefers its own program of that name, which knows no users.
		mkdir -p "$PGDATA" /var/run/postgresql
		chmod 700 "$PGDATA"
		find "$PGDATA" ! -user postgres -exec chown postgres '{}' +
		chown -R postgres:postgres /var/run/postgresql
		chmod 2777 /var/run/postgresql
		exec /usr/bin/setpriv --reuid=postgres --regid=postgres --clear-groups "$0" "$@"
	fi
	if [ ! -s "$PGDATA/PG_VERSION" ]; then
		initialise
	else
		echo 'PostgreSQL Database directory appears to contain a database; Skipping initialization'
	fi
fi

exec "$@"
