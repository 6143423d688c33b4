#!/bin/bash
# In the place of @NAME@: stops in the middle of a dump while it is told to, so that it can be cut off there.
set -o pipefail
slowly() {
    head -c 4096
    while [ -e /run/ledger-slow ]; do
        touch /run/ledger-waits
        sleep 0.1
    done
    exec cat
}
case @NAME@ in
pg_dump) /usr/bin/@NAME@ "$@" | slowly ;;
*) slowly | /usr/bin/@NAME@ "$@" ;;
esac
