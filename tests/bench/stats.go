package main

import (
	"slices"
)

// A spread is what remains of one figure a round.
type spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

// spreadOf sums up v, which is not empty.
func spreadOf(v []float64) spread {
	v = slices.Sorted(slices.Values(v))
	n := len(v)
	return spread{(v[(n-1)/2] + v[n/2]) / 2, v[0], v[n-1]}
}

// A caseResult is what a case gave.
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

// A subjectResult is what one subject of it gave.
type subjectResult struct {
	Name    string   `json:"name"`
	Failure string   `json:"failure,omitempty"` // why there is nothing else
	Samples []result `json:"samples,omitempty"` // one a round
	Value   *spread  `json:"value,omitempty"`
	CPU     *spread  `json:"cpu_seconds_per_million,omitempty"`
	Ratio   *spread  `json:"ratio,omitempty"` // to the base

	subject subject
	values  []float64
}

// A goalResult is how a goal was met.
type goalResult struct {
	goal
	Value *spread `json:"value,omitempty"` // nil: it could not be measured
	Met   bool    `json:"met"`
}

func newCaseResult(c benchCase) *caseResult {
	res := &caseResult{Name: c.Name, Title: c.Title, Unit: c.Unit.Name, Base: c.Base, Params: c.Params, benchCase: c}
	for _, s := range c.Subjects {
		res.Subjects = append(res.Subjects, &subjectResult{Name: s.Name, subject: s})
	}
	return res
}

// sumUp computes everything from the samples.
func (res *caseResult) sumUp() {
	for _, s := range res.Subjects {
		s.sumUp(res.benchCase.Unit)
	}
	for _, s := range res.Subjects {
		if s.Name != res.Base {
			s.Ratio = res.ratio(s.Name, res.Base)
		}
	}
	for _, g := range res.benchCase.Goals {
		v := res.ratio(g.Of, g.To)
		if s := res.find(g.Of); g.To == "" && s != nil {
			v = s.Value
		}
		res.Goals = append(res.Goals, goalResult{g, v, v != nil && g.met(v.Median)})
	}
}

func (s *subjectResult) sumUp(u unit) {
	if s.Failure != "" {
		s.Samples = nil // of fewer rounds than the others
		return
	}
	var cpu []float64
	for _, r := range s.Samples {
		s.values = append(s.values, u.of(r))
		if r.Messages > 0 {
			cpu = append(cpu, r.CPU/float64(r.Messages)*1e6)
		}
	}
	value := spreadOf(s.values)
	s.Value = &value
	if len(cpu) > 0 {
		all := spreadOf(cpu)
		s.CPU = &all
	}
}

// find returns a subject that was measured, or nil.
func (res *caseResult) find(name string) *subjectResult {
	for _, s := range res.Subjects {
		if s.Name == name && s.Value != nil {
			return s
		}
	}
	return nil
}

// ratio divides the values of two subjects round by round. It is nil if either was
// not measured.
func (res *caseResult) ratio(of, to string) *spread {
	a, b := res.find(of), res.find(to)
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
