package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/ptrd/ptrd/bench/machine"
)

// awakeName is the subcommand that keeps a processor from sleeping. It takes the
// processor's number.
const awakeName = "awake"

// udpAwake is the transport of a floor whose processor does not sleep, as that of a
// server that reloads does not.
const udpAwake = "udp-awake"

// keepAwake keeps a processor from sleeping, until the returned function is called.
func keepAwake(cpu int) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return machine.KeepAwake(exec.Command(self, awakeName, strconv.Itoa(cpu)))
}

// stayAwake is what this program starts of itself.
func stayAwake(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("%s takes a processor", awakeName)
	}
	cpu, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	return machine.StayAwake(cpu)
}
