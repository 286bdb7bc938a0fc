//go:build tools

// Package tools keeps go.sum complete for crictl, which is built from its own main package.
package tools

import (
	_ "sigs.k8s.io/cri-tools/cmd/crictl"
)
