package main

import (
	"bytes"
	"testing"
)

func TestGeneratedFilesAreFresh(t *testing.T) {
	var out bytes.Buffer
	if err := run(nil, &out); err != nil {
		t.Errorf("%v\n%s", err, &out)
	}
}
