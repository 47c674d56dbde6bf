//go:build unix && !linux

package infile

import "syscall"

const openFlags = syscall.O_NONBLOCK
