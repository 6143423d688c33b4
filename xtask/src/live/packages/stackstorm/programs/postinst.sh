#!/bin/sh
# Starts what it installs, whether or not it ran before.
set -e
[ "$1" = configure ] || exit 0
systemctl enable @UNITS@
[ ! -d /run/systemd/system ] || { systemctl daemon-reload; systemctl restart @UNITS@; }
