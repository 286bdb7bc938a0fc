//go:build tools

// Package tools keeps go.sum complete for the linter of workflows.
package tools

import (
	_ "github.com/rhysd/actionlint/cmd/actionlint"
)
