//go:build !linux

package assemble

// machineMemory returns how many octets of memory there are; 0: not known.
func machineMemory() int64 { return 0 }
