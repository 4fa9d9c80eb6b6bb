package zap

import (
	"testing"
	"time"
)

// ForgetReports makes the server report the next error at once.
func (s *Server) ForgetReports() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reported = time.Time{}
}

// ReportOnce makes the servers of a test report one error, and others after ForgetReports.
func ReportOnce(t *testing.T) {
	interval := reportInterval
	reportInterval = 24 * time.Hour
	t.Cleanup(func() { reportInterval = interval })
}
