package inspect

import "time"

// Tests may run on busy machines.
func init() { patient(theSampler) }

func patient(s *sampler) {
	for _, survey := range []*survey{s.callbacks, s.guests, s.sockets} {
		survey.patience, survey.inAll = 2*time.Second, time.Minute
	}
}
