//go:build unix && !linux

package infile

import "syscall"

const nonblock = syscall.O_NONBLOCK
