#!/usr/bin/env bash
# Builds tlog_peer from sources that lie outside the tree; nothing of it is part of Haechi.
#   tests/peers/tlog/build.sh SOURCES OUTPUT
# SOURCES/src is laid out by import path, as GOPATH wants it, with checkouts of:
#   golang.org/x/{mod,sync,crypto}  filippo.io/torchwood  github.com/transparency-dev/{merkle,witness}
#   github.com/transparency-dev/formats (before it took ML-DSA in: e6e205e^)  go.opentelemetry.io/otel  go.opentelemetry.io/auto/sdk
#   github.com/go-logr/{logr,stdr}  k8s.io/klog/v2  github.com/cespare/xxhash/v2
# Go 1.24 is wanted: GOROOT says where it is. Then: TLOG_PEER=OUTPUT tests/scenarios/41-peers.sh
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd -P)
sources=$(cd "$1" && pwd -P)
GO111MODULE=off GOFLAGS='' GOPATH=$sources GOTOOLCHAIN=local "${GOROOT:+$GOROOT/bin/}go" build -p 2 -o "$2" "$here/main.go"
