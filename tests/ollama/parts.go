//go:build parts

// Package parts names what the build takes beside the server itself, so that `go mod tidy` keeps it.
package parts

import _ "github.com/gen2brain/malgo"
