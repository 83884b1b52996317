#!/usr/bin/env bash
# Print the folder that holds the CustomResourceDefinitions of the Prometheus Operator, made from its Go types
# by controller-gen, as that project does.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/cluster/common.sh"

MONITORING_VERSION=0.95.2 CONTROLLER_TOOLS_VERSION=0.23.0
MONITORING=github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring@v$MONITORING_VERSION

folder=$CACHE/prometheus-operator-crds-$MONITORING_VERSION
if [ ! -d "$folder" ]; then
  ensure_go
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  GOBIN=$work timed "building controller-gen" go install "sigs.k8s.io/controller-tools/cmd/controller-gen@v$CONTROLLER_TOOLS_VERSION"
  cd "$work"
  go mod init crds 2>/dev/null
  timed "fetching the types of the Prometheus Operator" go mod download "$MONITORING"
  cd "$(go env GOMODCACHE)/$MONITORING"
  timed "making its CustomResourceDefinitions" "$work/controller-gen" crd paths=./v1 "output:crd:dir=$work/crds"
  mv "$work/crds" "$folder"
fi
printf '%s\n' "$folder"
