package spec

import (
	"cmp"
	"fmt"
)

// A Version is a release of libzmq. The zero Version is none.
type Version struct{ Major, Minor, Patch int }

// IsZero reports whether v is none.
func (v Version) IsZero() bool { return v == Version{} }

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v.Major, v.Minor, v.Patch) }

// Compare returns -1, 0 or +1 as v is older than w, the same, or newer.
func (v Version) Compare(w Version) int {
	return cmp.Or(cmp.Compare(v.Major, w.Major), cmp.Compare(v.Minor, w.Minor), cmp.Compare(v.Patch, w.Patch))
}

// parseVersion reads exactly what String writes.
func parseVersion(text string) (Version, error) {
	var v Version
	_, err := fmt.Sscanf(text, "%d.%d.%d", &v.Major, &v.Minor, &v.Patch)
	if err != nil || v.String() != text {
		return Version{}, fmt.Errorf("%q is not a version such as 4.3.4", text)
	}
	return v, nil
}
