package zap

import (
	"io/fs"
	"syscall"
	"time"
)

// changed returns the ctime of a file, which no program can set. A copy may have the mtime of the
// file that it replaces.
func changed(info fs.FileInfo) time.Time {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(s.Ctim.Unix())
	}
	return info.ModTime()
}
