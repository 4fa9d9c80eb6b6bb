package spec

import "slices"

// contextoptsMethods are methods of Contextopts whose names no context option may have.
var contextoptsMethods = []string{"GetContext", "SetContext", "RawContextopts"}

// checkContextopts checks the methods of the context options.
func (v validator) checkContextopts() {
	methods := newUnique[string](v, "method")
	for _, c := range v.Contexts {
		v.oneOf(c.Mark, "kind", c.Kind, "bool", "int")
		if !v.identifier(c.At("method"), c.Method) {
			continue
		}
		for _, method := range c.methods() {
			if slices.Contains(contextoptsMethods, method) {
				v.add(c.At("method"), "method %s of %s is that of Contextopts itself", method, c.Name)
			}
			methods.add(c.Mark, "method", method, c.Name)
		}
	}
}

// methods returns the names of the methods that are generated for the option.
func (c Context) methods() []string {
	var names []string
	if c.Can("get") {
		names = append(names, c.Method)
	}
	if c.Can("set") {
		names = append(names, "Set"+c.Method)
	}
	return names
}
