//go:build !linux

package main

import (
	"errors"
	"fmt"
	"os"
)

func keepTo(int) error { return fmt.Errorf("pinning needs Linux: %w", errors.ErrUnsupported) }

type event struct{}

var instructions event

func openCounter(event) (*os.File, error) {
	return nil, fmt.Errorf("counting needs Linux: %w", errors.ErrUnsupported)
}
