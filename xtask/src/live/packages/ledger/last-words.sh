#!/bin/sh
# Writes what the service writes when it is stopped: so much that its copy takes a moment.
date +%s%N > /srv/data/packs/recording
yes recorded | head -c 48M >> /srv/data/packs/recording
