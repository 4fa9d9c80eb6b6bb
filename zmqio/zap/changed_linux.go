package zap

import (
	"io/fs"
	"syscall"
	"time"
)

// changed returns when a file was changed: its ctime, which no program sets. A copy may have
// the mtime of the file in whose place it comes.
func changed(info fs.FileInfo) time.Time {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return time.Unix(s.Ctim.Unix())
	}
	return info.ModTime()
}
