#!/bin/sh
# Docker 24 or later, with daemon.json beside this file as /etc/docker/daemon.json. Older ones have no --annotation: there
# the default of /etc/strata/strata.toml is what containers get. See strata-runtime(8).
set -eu

# Recording needs record.others and runtime.inject_record in strata.toml: Docker reads no hook files.
docker run --rm --annotation io.strata.record=web docker.io/library/nginx nginx -t

# Annotations name profiles that an administrator installed, not files.
install -D -m 0644 -t /etc/strata/profiles /var/lib/strata/recordings/web.json
docker run --rm --annotation io.strata.stack=web docker.io/library/nginx nginx -t
