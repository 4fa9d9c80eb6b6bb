package zap

import "time"

// ForgetReports has the next error reported at once.
func (s *Server) ForgetReports() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reported = time.Time{}
}
