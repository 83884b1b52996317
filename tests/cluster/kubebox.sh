# Makes the kubebox binary and sees to the Debian packages that the cluster needs; sourced by up.sh.
# shellcheck shell=bash
KUBERNETES_VERSION=1.35.4
# command:package
NEEDS="containerd:containerd runc:runc /usr/lib/cni/bridge:containernetworking-plugins iptables:iptables \
conntrack:conntrack openssl:openssl ip:iproute2 sysctl:procps podman:podman mmdebstrap:mmdebstrap"

ensure_packages() {
  local need missing=""
  for need in $NEEDS; do command -v "${need%%:*}" >/dev/null || missing="$missing ${need##*:}"; done
  [ -n "$missing" ] || return 0
  command -v apt-get >/dev/null || fail "this machine lacks:$missing. Install them, or Docker, or set KUBECONFIG"
  # shellcheck disable=SC2086 # one word for each package
  install_packages $missing
}

build_progress() { echo "$(wc -l <"$1") of about $PACKAGES packages"; }

# Sets BINARY. Built once for the machine, under the key of its sources.
build_kubebox() {
  local sources=$HERE/kubebox key
  key=$(cat "$sources"/{main.go,go.mod,go.sum} | sha256sum | cut -c1-12)
  BINARY=${XDG_CACHE_HOME:-$HOME/.cache}/kubebox/$key/kubebox
  [ -x "$BINARY" ] && return
  mkdir -p "$(dirname "$BINARY")"
  ensure_go
  cd "$sources" || exit
  timed "downloading the sources of Kubernetes $KUBERNETES_VERSION (Go modules)" go mod download
  PACKAGES=$(go list -deps . | wc -l)
  local version=k8s.io/component-base/version
  PROGRESS=build_progress timed "building kubebox from them: about 8 minutes on 2 cores, once for this machine" \
    go build -v -trimpath -o "$BINARY.part" \
    -ldflags "-s -w -X $version.gitVersion=v$KUBERNETES_VERSION -X $version.gitMajor=1 -X $version.gitMinor=35" .
  mv "$BINARY.part" "$BINARY"
  cd "$HERE" || exit
}
