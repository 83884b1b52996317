#!/usr/bin/env bash
# Build the images and hand them to the cluster that cluster.sh chose.
# Usage: images.sh [NAME...]    of operator training serving monitoring mlflow; all without a name.
# HOUSING_IMAGE_REGISTRY (localhost by default) is where a cluster pulls from that images cannot be loaded into.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/common.sh"
alone "$0" "$@"

[ -f "$ENVIRONMENT_FILE" ] || fail "no cluster yet: run make cluster-up"
CONTEXT=$(chosen HOUSING_CLUSTER_CONTEXT)
TOOLS=$(chosen HOUSING_CLUSTER_PATH)
export PATH=$TOOLS:$CACHE/bin:$PATH
REGISTRY=${HOUSING_IMAGE_REGISTRY:-localhost}
cd "$ROOT"

image() { echo "$REGISTRY/housing-operator/$1:dev"; } # name

build() { # name
  local file=$1/Dockerfile
  [ -f "$file" ] || file=charts/$1/Dockerfile
  [ -f "$file" ] || fail "there is no image named $1"
  case $CONTEXT in
    kubebox) build_with_podman "$file" "$(image "$1")" ;;
    # A plain image, without the attestations that make an index of it: kind loads it under any image store.
    *) DOCKER_BUILDKIT=1 docker build --quiet --provenance=false --file "$file" --tag "$(image "$1")" . ;;
  esac
}

# runc, and limits no higher than a sandboxed root may set; the machine's own certificate authorities.
build_with_podman() { # Dockerfile image
  local before after
  before=$(podman images --quiet --no-trunc "$2")
  podman --runtime runc build --quiet --file "$1" --tag "$2" --build-arg BASE_IMAGE=localhost/python:3.13 \
    --ulimit nofile=20000:20000 --ulimit nproc=10000:10000 --network host --volume /etc/ssl/certs:/etc/ssl/certs:ro .
  after=$(podman images --quiet --no-trunc "$2")
  # What the name stood for before; refused, and rightly, while another name or a container holds it.
  [ "$before" = "$after" ] || [ -z "$before" ] || podman rmi "$before" >/dev/null 2>&1 || true
}

load() { # name
  case $CONTEXT in
    kubebox) "$HERE/load-image.sh" "$(image "$1")" ;;
    kind-*) kind load docker-image "$(image "$1")" --name "${CONTEXT#kind-}" ;;
    *) docker push --quiet "$(image "$1")" ;;
  esac
}

case $CONTEXT:$REGISTRY in
  kubebox:* | kind-*) ;;
  *:localhost) fail "set HOUSING_IMAGE_REGISTRY to a registry that the cluster of context $CONTEXT pulls from" ;;
esac
[ $# -gt 0 ] || set -- operator training serving monitoring mlflow
for name in "$@"; do
  timed "building $(image "$name")" build "$name"
  timed "loading it" load "$name"
done
