//go:build tools

package main

// The load generator that is measured beside ours, so that go.sum is complete for it.
import _ "github.com/tsenart/vegeta/v12"
