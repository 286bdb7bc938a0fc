//go:build tools

// Package tools keeps go.sum complete for the migration runner that ours is compared with.
package tools

import (
	_ "github.com/pressly/goose/v3/cmd/goose"
)
