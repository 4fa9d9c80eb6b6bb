// Package pkgconfig names the packages to install if pkg-config is in none of its usual places. The
// text is in pkgconfig.c. It is a note and not an error: pkg-config may be elsewhere, and the C
// compiler cannot know.
package pkgconfig

import "C"
