//go:build !linux

package main

// bindLate is what these systems do by themselves, or have no option for.
func bindLate(uintptr) error { return nil }
