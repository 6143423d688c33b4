#!/bin/sh
# Ends every connection as soon as a shadow is being sealed.
until ls /var/lib/switchback/shadows/*/*/packs/sealed.begun > /dev/null 2>&1; do sleep 0.01; done
for process in /proc/[0-9]*; do
    grep -aqs '^sshd: op' "$process/cmdline" && kill -9 "${process#/proc/}"
done
touch /run/cut-in-the-seal
