#!/bin/sh
# Docker 24 or later, with daemon.json beside this file as /etc/docker/daemon.json.
set -eu

docker run --rm --annotation io.strata.stack=base/runc:web docker.io/library/nginx nginx -t

# Recording needs record.others and runtime.inject_record in /etc/strata/strata.toml: Docker reads no hook files.
docker run --rm --annotation io.strata.record=web docker.io/library/nginx nginx -t
