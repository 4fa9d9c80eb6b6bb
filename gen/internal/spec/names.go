package spec

// DraftCapability is the name of the capability that every draft needs.
const DraftCapability = "draft"

// GoName is the name of the value's constant.
func (v Value) GoName() string {
	if v.Go != "" {
		return v.Go
	}
	return v.Name
}

// GoName is the name of the option's constant.
func (c Context) GoName() string {
	if c.Go != "" {
		return c.Go
	}
	return c.Name
}

// Const is the name of the capability's constant.
func (c Capability) Const() string { return "Capability" + c.Go }
