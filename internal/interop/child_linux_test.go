package interop

import (
	"os"
	"os/exec"
	"syscall"
)

// endWithParent puts the process into a group of its own and has the kernel end it
// when the test's process dies, by a panic or a timeout.
func endWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}

// endGroup kills the process and what it started (NSD forks its workers).
func endGroup(p *os.Process) { syscall.Kill(-p.Pid, syscall.SIGKILL) }
