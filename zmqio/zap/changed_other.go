//go:build !linux

package zap

import (
	"io/fs"
	"time"
)

// changed returns when a file was changed.
func changed(info fs.FileInfo) time.Time { return info.ModTime() }
