// Package pkgconfig says which packages to install where pkg-config is in none of its
// usual places. The words are in pkgconfig.c. They are a note and not an error: a build
// with pkg-config elsewhere succeeds, and a compiler cannot tell.
package pkgconfig

import "C"
