package main

import (
	"slices"
)

// A spread sums up a figure that each round has.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// spreadOf returns the spread of v, which must not be empty.
func spreadOf(v []float64) spread {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return spread{(v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1]}
}

// A caseResult is the result of a case.
type caseResult struct {
	Name     string           `json:"name"`
	Title    string           `json:"title"`
	Unit     string           `json:"unit"`
	Base     string           `json:"base,omitempty"`
	Params   []string         `json:"params"`
	Subjects []*subjectResult `json:"subjects"`
	Goals    []goalResult     `json:"goals,omitempty"`

	benchCase benchCase
}

// A subjectResult is the result of one subject in one placement.
type subjectResult struct {
	Name         string    `json:"name"`
	Placement    placement `json:"placement"`
	Failure      string    `json:"failure,omitempty"` // why the other fields are empty
	Samples      []result  `json:"samples,omitempty"` // one for each round
	Value        *spread   `json:"value,omitempty"`
	Ratio        *spread   `json:"ratio,omitempty"`                // to the base
	Rate         *spread   `json:"thousands_per_second,omitempty"` // nil if the process notes no times
	P50          *spread   `json:"p50,omitempty"`                  // µs; nil if the process notes no times
	P99          *spread   `json:"p99,omitempty"`
	P999         *spread   `json:"p999,omitempty"`
	CPU          *spread   `json:"cpu_ns_per_message,omitempty"`
	Voluntary    *spread   `json:"voluntary_switches_per_message,omitempty"`
	Involuntary  *spread   `json:"involuntary_switches_per_message,omitempty"`
	Instructions *spread   `json:"instructions_per_message,omitempty"` // nil if the machine counts none

	subject subject
	values  []float64
}

// A goalResult says whether a goal was met.
type goalResult struct {
	goal
	Value   *spread `json:"value,omitempty"` // nil: it could not be measured
	OrValue *spread `json:"or_value,omitempty"`
	Met     bool    `json:"met"`
}

func newCaseResult(c benchCase, placements []placement) *caseResult {
	res := &caseResult{Name: c.Name, Title: c.Title, Unit: c.Unit.Name, Base: c.Base, Params: c.Params, benchCase: c}
	for _, p := range placements {
		for _, s := range c.Subjects {
			if c.runs(s, p) {
				res.Subjects = append(res.Subjects, &subjectResult{Name: s.Name, Placement: p, subject: s})
			}
		}
	}
	for _, g := range c.Goals {
		if slices.Contains(placements, g.Placement) {
			res.Goals = append(res.Goals, goalResult{goal: g})
		}
	}
	return res
}

// sumUp computes the other fields from the samples.
func (res *caseResult) sumUp() {
	for _, s := range res.Subjects {
		s.sumUp(res.benchCase.Unit)
	}
	for _, s := range res.Subjects {
		if s.Name != res.Base {
			s.Ratio = res.ratio(s.Placement, s.Name, res.Base)
		}
	}
	for i := range res.Goals {
		res.Goals[i].sumUp(res)
	}
}

func (g *goalResult) sumUp(res *caseResult) {
	g.Value = res.ratio(g.Placement, g.Of, g.To)
	if s := res.find(g.Placement, g.Of); g.To == "" && s != nil {
		g.Value = s.Value
	}
	g.Met = g.Value != nil && g.met(g.Value.Median)
	if g.OrTo != "" {
		g.OrValue = res.ratio(g.Placement, g.Of, g.OrTo)
		g.Met = g.Met || g.OrValue != nil && g.OrValue.Median >= g.OrAtLeast
	}
}

func (s *subjectResult) sumUp(u unit) {
	if s.Failure != "" {
		s.Samples = nil // it may lack rounds, and ratios need all
		return
	}
	for _, r := range s.Samples {
		s.values = append(s.values, u.of(r))
	}
	value := spreadOf(s.values)
	s.Value = &value
	s.sumUpTimes()
	s.CPU = s.perMessage(func(r result) float64 { return r.CPU * 1e9 })
	s.Voluntary = s.perMessage(func(r result) float64 { return float64(r.Voluntary) })
	s.Involuntary = s.perMessage(func(r result) float64 { return float64(r.Involuntary) })
	if s.Samples[0].Instructions > 0 {
		s.Instructions = s.perMessage(func(r result) float64 { return float64(r.Instructions) })
	}
}

// perMessage returns the spread of a figure divided by the round's messages, or nil if a round has
// no messages.
func (s *subjectResult) perMessage(of func(result) float64) *spread {
	if slices.ContainsFunc(s.Samples, func(r result) bool { return r.Messages == 0 }) {
		return nil
	}
	return s.spreadOf(func(r result) float64 { return of(r) / float64(r.Messages) })
}

// spreadOf sums up a figure of each round.
func (s *subjectResult) spreadOf(of func(result) float64) *spread {
	var all []float64
	for _, r := range s.Samples {
		all = append(all, of(r))
	}
	v := spreadOf(all)
	return &v
}

// find returns a subject that was measured in that placement, or nil.
func (res *caseResult) find(p placement, name string) *subjectResult {
	for _, s := range res.Subjects {
		if s.Placement == p && s.Name == name && s.Value != nil {
			return s
		}
	}
	return nil
}

// ratio divides the values of two subjects round by round. It is nil if either was
// not measured.
func (res *caseResult) ratio(p placement, of, to string) *spread {
	a, b := res.find(p, of), res.find(p, to)
	if a == nil || b == nil {
		return nil
	}
	var ratios []float64
	for i := range a.values {
		ratios = append(ratios, a.values[i]/b.values[i])
	}
	s := spreadOf(ratios)
	return &s
}
