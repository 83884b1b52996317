#!/usr/bin/env bash
# Find or start the cluster that demo and tests use, and leave word of it in .cache/cluster.env.
# Usage: cluster.sh up | down | env
# In this order: the cluster of the present kubectl context, when tests may use it; a kind cluster, where a Docker
# engine answers; kubebox, on Debian as root. The kubeconfig is a copy of its own: the user's is never changed.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
. "$HERE/common.sh"
[ "${1:-}" = env ] || alone "$0" "$@"

KIND_VERSION=v0.33.0 KIND_MINIMUM=0.31 KIND_CLUSTER=housing
HELM_VERSION=v4.1.4
COPY=$ROOT/.cache/kubeconfig
export PATH=$CACHE/bin:$PATH # what was missing or too old on this machine
# After `eval "$(make cluster-env)"`: a cluster that this script started is not one that was there before.
if [ "${KUBECONFIG:-}" = "$COPY" ] && [ "$(chosen HOUSING_CLUSTER)" != existing ]; then unset KUBECONFIG; fi

allowed() { # context
  local patterns pattern
  patterns="$(cat "$HERE/allowed-contexts") ${HOUSING_ALLOWED_CONTEXTS:-}"
  set -f
  for pattern in ${patterns//,/ }; do
    # shellcheck disable=SC2254 # it is a pattern
    case $1 in $pattern) set +f; return 0 ;; esac
  done
  set +f
  return 1
}

# The context that kubectl has now, if tests may use it and it answers.
existing_context() {
  local context
  context=$(kubectl config current-context 2>/dev/null) || return 1
  if ! allowed "$context"; then
    say "the present context, $context, is not among those that tests may use: left alone"
  elif ! kubectl --context "$context" --request-timeout=5s get --raw /readyz >/dev/null 2>&1; then
    say "the present context, $context, does not answer: left alone"
  else
    echo "$context"
    return
  fi
  return 1
}

leave_word() { # kind-of-cluster context
  local kubectl helm
  kubectl=$(command -v kubectl) || fail "kubectl is not on PATH: install it"
  helm=$(command -v helm) || fail "helm is not on PATH: install it"
  chmod 600 "$COPY"
  cat >"$ENVIRONMENT_FILE.part" <<ENV
HOUSING_CLUSTER=$1
HOUSING_CLUSTER_CONTEXT=$2
HOUSING_CLUSTER_PATH=$(dirname "$kubectl"):$(dirname "$helm")
KUBECONFIG=$COPY
ENV
  mv "$ENVIRONMENT_FILE.part" "$ENVIRONMENT_FILE"
  say "cluster: $1, context $2, Kubernetes $(kubectl --kubeconfig "$COPY" version 2>/dev/null | sed -n 's/^Server Version: //p')"
}

go_install() { # module@version
  ensure_go
  timed "building $1" env GOBIN="$CACHE/bin" go install "$1"
}

kind_up() {
  local version node=$KIND_CLUSTER-control-plane
  version=$(kind version 2>/dev/null | sed 's/^kind v\{0,1\}\([0-9.]*\).*/\1/') || true
  if ! at_least "$KIND_MINIMUM" "${version:-0}"; then
    [ -z "$version" ] || say "kind $version is older than $KIND_MINIMUM"
    go_install "sigs.k8s.io/kind@$KIND_VERSION"
  fi
  if [ -n "$(kind get clusters 2>/dev/null | sed -n "/^$KIND_CLUSTER\$/p")" ]; then
    docker start $node >/dev/null
    kind export kubeconfig --quiet --name $KIND_CLUSTER --kubeconfig "$COPY"
  else
    timed "starting a kind cluster" \
      kind create cluster --name $KIND_CLUSTER --config "$HERE/kind.yaml" --kubeconfig "$COPY" --wait 180s
  fi
  command -v kubectl >/dev/null || docker cp --quiet $node:/usr/bin/kubectl "$CACHE/bin/kubectl"
  command -v helm >/dev/null || go_install helm.sh/helm/v4/cmd/helm@$HELM_VERSION
  for _ in $(seq 60); do kubectl --kubeconfig "$COPY" get --raw /readyz >/dev/null 2>&1 && break; sleep 1; done
  leave_word kind kind-$KIND_CLUSTER
}

kubebox_up() {
  local environment
  environment=$("$HERE/up.sh")
  eval "$environment"
  "$HERE/base-image.sh"
  cp "$KUBECONFIG" "$COPY"
  leave_word kubebox kubebox
}

up() {
  local context
  context=$(existing_context) || context=
  if [ "$context" = kubebox ]; then
    kubebox_up
  elif [ -n "$context" ]; then
    (umask 077; kubectl config view --raw --minify --flatten --context "$context" >"$COPY.part")
    mv "$COPY.part" "$COPY"
    leave_word existing "$context"
  elif docker info >/dev/null 2>&1; then
    kind_up
  else
    kubebox_up
  fi
}

down() {
  [ -f "$ENVIRONMENT_FILE" ] || { say "no cluster was started from this folder"; return; }
  case $(chosen HOUSING_CLUSTER) in
    kind) timed "deleting the kind cluster" kind delete cluster --name $KIND_CLUSTER --kubeconfig "$COPY" ;;
    kubebox) timed "deleting the kubebox cluster" "$HERE/down.sh" --delete ;;
    *) say "this cluster was there before: left alone" ;;
  esac
  rm -f "$ENVIRONMENT_FILE" "$COPY"
}

print_env() { # for the user's own shell; it takes no part in how the cluster is chosen next time
  [ -f "$ENVIRONMENT_FILE" ] || fail "no cluster yet: run make cluster-up"
  # shellcheck disable=SC2016 # the user's shell expands it
  printf 'export KUBECONFIG=%q PATH=%q:$PATH\n' "$(chosen KUBECONFIG)" "$(chosen HOUSING_CLUSTER_PATH)"
}

case ${1:-} in
  up | down) "$1" ;;
  env) print_env ;;
  *) fail "usage: cluster.sh up | down | env" ;;
esac
