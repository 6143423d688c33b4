#!/bin/sh
# The product's documented upgrade, typed by somebody who makes no mistake and waits for nothing.
# Usage: runbook.sh VERSION PLACE, in the deployment's directory. The new image is here already.
set -eu
version=$1
place=$2
compose="docker compose"
export DOCKER_CLI_HINTS=false

sed -i "s|\(lorawan-stack:\)[0-9.]*|\1$version|" docker-compose.yml

$compose stop stack

# Redis: stopped, its append-only files copied, started.
$compose stop redis
cp -a .env/data/redis/appendonly* "$place/"
$compose up -d redis

# PostgreSQL: a dump in the custom format.
$compose exec -T postgres pg_dump -U root --format=c ttn_lorawan > "$place/postgres-backup.sql"

# Uploaded pictures.
cp -a blob "$place/"

$compose run --rm -T stack is-db migrate
$compose run --rm -T stack ns-db migrate
$compose up -d stack
