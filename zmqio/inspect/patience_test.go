package inspect

import "time"

// Tests run beside others on machines that are busy.
func init() { patient(theSampler) }

func patient(s *sampler) {
	for _, survey := range []*survey{s.callbacks, s.guests, s.sockets} {
		survey.patience, survey.inAll = 2*time.Second, time.Minute
	}
}
