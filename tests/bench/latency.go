package main

import (
	"context"
	"fmt"
	"slices"
)

// latency99 is the 99th percentile of times, in µs.
var latency99 = unit{"p99 µs", func(r result) float64 { return r.P99 }, true}

// latency returns the case of messages that a C program sends at fixed times, at load percent of
// the highest rate. The time of a message counts from when it was due, even if the sender had to
// wait for room. All subjects get the same rate, a share of what the slowest reaches.
func latency(load int) benchCase {
	jobs := map[string]subject{
		inC:  {Test: process{"c", "latency"}},
		ours: {Test: process{"go", "zmqio-latency"}},
	}
	return benchCase{
		Name: fmt.Sprintf("latency/tcp/%d", load), Unit: latency99, Base: inC, Where: "tcp", Load: float64(load) / 100,
		Title:    fmt.Sprintf("one way from a PUSH in C to a PULL, 64B, at %d %% of the lower of the highest rates", load),
		Params:   append(sized(64), "stride=16"),
		Subjects: subjects([]string{inC, ours}, jobs, process{"c", "pace"}, true),
	}
}

// setRates sets the parameter rate of all subjects of a case that has a Load. In each placement it
// runs every subject once as fast as it goes. The error is that of ctx.
func (r *runner) setRates(ctx context.Context, res *caseResult) error {
	c := res.benchCase
	if c.Load == 0 {
		return nil
	}
	c.Unit = rate // latency99 would refuse a run that notes no times
	lowest := map[placement]float64{}
	for _, s := range res.Subjects {
		got, err := r.run(ctx, c, s.subject, s.Placement)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			s.Failure = err.Error()
			continue
		}
		if known := lowest[s.Placement]; known == 0 || got.thousands() < known {
			lowest[s.Placement] = got.thousands()
		}
	}
	for _, s := range res.Subjects {
		s.subject.Params = append(slices.Clone(s.subject.Params), fmt.Sprintf("rate=%.0f", lowest[s.Placement]*1e3*c.Load))
	}
	return nil
}

// sumUpTimes computes the percentiles of times, and the rate of the messages.
func (s *subjectResult) sumUpTimes() {
	if s.Samples[0].P999 == 0 {
		return
	}
	s.Rate = s.spreadOf(result.thousands)
	s.P50 = s.spreadOf(func(r result) float64 { return r.P50 })
	s.P99 = s.spreadOf(func(r result) float64 { return r.P99 })
	s.P999 = s.spreadOf(func(r result) float64 { return r.P999 })
}
