#!/bin/sh
# What the official image does on start: give the data directory to the server's user, then become the server.
set -e

if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
	set -- redis-server "$@"
fi

if [ "$1" = redis-server ] && [ "$(id -u)" = 0 ]; then
	find . ! -user redis -exec chown redis '{}' +
	exec /usr/bin/setpriv --reuid=redis --regid=redis --clear-groups "$0" "$@"
fi

# Official images are built with this default: containers are reached from other containers.
case "$*" in
redis-server*protected-mode*) ;;
redis-server*) set -- "$@" --protected-mode no ;;
esac

exec "$@"
