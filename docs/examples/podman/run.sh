#!/bin/sh
# Podman: record a container, then run it under what was recorded. As root, after `make install`, with hooks_dir set as
# in containers.conf beside this file.
set -eu

podman run --rm --annotation io.strata.record=web docker.io/library/nginx nginx -t

# The recording holds what the runtime needs, too. Several layers are separated by colons, the undermost first.
podman run --rm --annotation io.strata.stack=/var/lib/strata/recordings/web.json docker.io/library/nginx nginx -t

# Containers that run now, and under what.
strata enforced
