//go:build !linux

package main

import (
	"errors"
	"os/exec"
)

func startOn(*exec.Cmd, int) error {
	return errors.Join(errors.New("-pin needs Linux"), errors.ErrUnsupported)
}
