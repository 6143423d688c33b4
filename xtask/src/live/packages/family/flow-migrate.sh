#!/bin/sh
# Brings the data to the format of this version. Says which formats it went through.
set -e
[ ! -e /run/flow-fail ] || { echo "cannot convert: no space left" >&2; exit 3; }
found=$(cat /var/lib/flow/format)
echo "$found to @FORMAT@" >> /var/lib/flow/conversions
echo @FORMAT@ > /var/lib/flow/format
echo "format $found became @FORMAT@"
