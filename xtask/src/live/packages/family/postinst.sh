#!/bin/sh
# Starts what it installs, whether or not it ran before, as packages do.
set -e
[ "$1" = configure ] || exit 0
[ "@NAME@" != flow ] || { mkdir -p /var/lib/flow; [ -e /var/lib/flow/format ] || echo 1 > /var/lib/flow/format; }
systemctl enable @UNITS@
if [ -d /run/systemd/system ]; then
    systemctl daemon-reload
    systemctl restart @UNITS@
    for unit in @UNITS@; do
        echo "@NAME@ @VERSION@: $unit is $(systemctl is-active $unit || true)" >> /var/log/flow-postinst
    done
    while [ -e /run/flow-slow ]; do
        touch /run/flow-waits
        sleep 0.1
    done
fi
