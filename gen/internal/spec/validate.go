package spec

func (s *Spec) validate(p *problems) {}
