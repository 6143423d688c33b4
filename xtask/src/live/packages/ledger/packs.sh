#!/bin/sh
# Files of the product, with what files can be. The ballast is what a first copy takes long for, and what it comes to last.
set -e
mkdir -p /srv/data/packs/core/actions /srv/data/packs/many
cd /srv/data/packs
echo 'of 2.1.0' > core/actions/run.yaml
ln core/actions/run.yaml core/actions/same.yaml
yes icon | head -c 4096 > core/icon.png
ln -s /etc/hostname core/outside
mkfifo core/pipe
truncate --size 8M core/sparse
for number in $(seq 300); do echo "$number" > "many/$number"; done
chown -R postgres: many
chmod 2751 core
mkdir zz
head -c 24M /dev/urandom > zz/ballast
