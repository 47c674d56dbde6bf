package netlab

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ptrd/ptrd/internal/peertest"
)

const (
	// insideEnv marks the process in the namespaces.
	insideEnv = "PTRD_NETLAB_INSIDE"
	// missingEnv has the reason why there are none.
	missingEnv = "PTRD_NETLAB_MISSING"
)

// Isolate makes a command run as the first process in namespaces of its own for networks,
// mounts and processes, without root in a user namespace too. The command must start, and be
// waited for, on a locked thread: it ends when the thread does.
func Isolate(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS | unix.CLONE_NEWPID,
		Setpgid:    true, // the terminal's interrupt is for the process outside
		Pdeathsig:  unix.SIGKILL,
	}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	cmd.Env = append(os.Environ(), insideEnv+"=1")
}

// IsInside reports whether this is the process that Isolate started.
func IsInside() bool { return os.Getenv(insideEnv) != "" && os.Getpid() == 1 }

// Main runs the tests of a package in namespaces: TestMain calls it with what it does
// otherwise. Where no namespaces can be made, the tests run outside, and those that need a lab
// are skipped.
func Main(run func() int) int {
	if IsInside() {
		if err := arrange(); err != nil {
			fmt.Fprintln(os.Stderr, "netlab:", err)
			return 1
		}
		return run()
	}
	if err := try(); err != nil {
		os.Setenv(missingEnv, err.Error())
		return run()
	}
	runtime.LockOSThread()
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	Isolate(cmd)
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, "netlab:", err)
		return 1
	}
	return max(cmd.ProcessState.ExitCode(), 0)
}

// try returns why a lab cannot run here.
func try() error {
	if _, ok := peertest.Find("ip"); !ok {
		return errors.New("ip is not installed (Debian package iproute2)")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ip, _ := peertest.Find("ip")
	cmd := exec.Command(ip, "link", "add", "try0", "type", "veth")
	Isolate(cmd)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("no network namespace can be made: %w %s", err, out)
	}
	return nil
}

// Require skips a test that runs without namespaces, or fails it, with the reason.
func Require(t testing.TB) {
	t.Helper()
	if !IsInside() {
		peertest.Missing(t, os.Getenv(missingEnv))
	}
}

// arrange prepares the mounts of the first process: nothing mounted here is seen outside, and
// /proc shows the processes of the lab. Some containers do not allow the latter, which only
// tools that list processes notice.
func arrange() error {
	if self, err := os.Readlink("/proc/self"); err == nil && self == "1" {
		return nil // done
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("mount namespace: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", 0, ""); err != nil && !errors.Is(err, unix.EPERM) {
		return fmt.Errorf("/proc: %w", err)
	}
	return nil
}

// command runs a short command and returns its output in the error.
func command(cmd *exec.Cmd, input string) error {
	if input != "" {
		in, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		go func() {
			io.WriteString(in, input)
			in.Close()
		}()
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%v: %w: %s", cmd.Args, err, out)
	}
	return nil
}
