// Package browser tests the page of package inspect in Chromium.
package browser
