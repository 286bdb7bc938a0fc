//go:build tools

// Package tools keeps go.sum complete for kind, which is built from its own main package.
package tools

import (
	_ "sigs.k8s.io/kind"
)
