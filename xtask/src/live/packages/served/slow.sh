#!/bin/sh
# What maintainer scripts call to restart a service: waits first, where it is told to.
while [ -e /run/redis-slow ]; do
    touch /run/redis-waits
    sleep 0.1
done
exec /usr/bin/deb-systemd-invoke.distrib "$@"
