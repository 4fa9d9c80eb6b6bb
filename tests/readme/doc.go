// Package readme tests that what README.md shows is true.
package readme
