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
export PATH=$TOOLS:$PATH:$CACHE/bin
REGISTRY=${HOUSING_IMAGE_REGISTRY:-localhost}
cd "$ROOT"

build() { # name
  local file=$1/Dockerfile
  [ -f "$file" ] || file=charts/$1/Dockerfile
  [ -f "$file" ] || fail "there is no image named $1"
  case $CONTEXT in
    kubebox)
      # runc, and limits no higher than a sandboxed root may set; the machine's own certificate authorities.
      podman --runtime runc build --quiet --file "$file" --tag "$(image "$1")" --build-arg BASE_IMAGE=localhost/python:3.13 \
        --ulimit nofile=20000:20000 --ulimit nproc=10000:10000 --network host --volume /etc/ssl/certs:/etc/ssl/certs:ro .
      ;;
    *) DOCKER_BUILDKIT=1 docker build --quiet --file "$file" --tag "$(image "$1")" . ;;
  esac
}

load() { # name
  case $CONTEXT in
    kubebox) "$HERE/load-image.sh" "$(image "$1")" ;;
    kind-*) kind load docker-image "$(image "$1")" --name "${CONTEXT#kind-}" ;;
    *)
      [ "$REGISTRY" != localhost ] || fail "set HOUSING_IMAGE_REGISTRY to one that $CONTEXT pulls from"
      docker push --quiet "$(image "$1")"
      ;;
  esac
}

image() { echo "$REGISTRY/housing-operator/$1:dev"; }
id() { # name; of the image that stands under the name now, if any
  local engine=docker
  [ "$CONTEXT" != kubebox ] || engine=podman
  $engine image inspect --format '{{.Id}}' "$(image "$1")" 2>/dev/null || true
}

[ $# -gt 0 ] || set -- operator training serving monitoring mlflow
for name in "$@"; do
  before=$(id "$name")
  timed "building $(image "$name")" build "$name"
  timed "loading it" load "$name"
  # What the name stood for before; refused, and rightly, while a container or another name holds it.
  [ "$CONTEXT" != kubebox ] || [ "$before" = "$(id "$name")" ] || podman rmi "$before" >/dev/null 2>&1 || true
done
