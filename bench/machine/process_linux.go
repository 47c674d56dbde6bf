package machine

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Process is a process that was started here, with its children.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// priority is asked for what is measured and for the generator: a process that comes
// in between by chance waits. It needs a right that root has; without it all stays at 0.
const priority = -19

// Pin puts this process, with all its threads, on one processor.
func Pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		return err
	}
	for _, t := range tasks {
		id, _ := strconv.Atoi(t.Name())
		if err := unix.SchedSetaffinity(id, &set); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("processor %d for this process: %w", cpu, err)
		}
		_ = unix.Setpriority(unix.PRIO_PROCESS, id, priority) // see there
	}
	raiseGroup(os.Getpid())
	return nil
}

// raiseGroup raises the priority of a session, by which the kernel shares out
// processors first where it has sched_autogroup.
func raiseGroup(pid int) {
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/autogroup", pid), []byte(strconv.Itoa(priority)), 0) // as with priority
}

// Start starts a command on the given processors, in a session of its own, its output
// going to a file.
func Start(cmd *exec.Cmd, output string, cpus ...int) (*Process, error) {
	out, err := os.OpenFile(output, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	started := make(chan error)
	p := &Process{cmd: cmd, done: make(chan struct{})}
	// A child gets the processors of the thread that starts it, and dies with that
	// thread: it has one of its own, which waits.
	go func() {
		runtime.LockOSThread()
		var set unix.CPUSet
		for _, c := range cpus {
			set.Set(c)
		}
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			started <- fmt.Errorf("processors %v for %s: %w", cpus, cmd.Path, err)
			return
		}
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, priority)
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		raiseGroup(cmd.Process.Pid)
		started <- nil
		_ = cmd.Wait() // its output has the reason
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// Leisurely calls f on a thread of the lowest priority, which the processes that f
// starts inherit: a command for a server must not take the processor from the generator.
func Leisurely(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and the thread ends with this goroutine
		_ = unix.Setpriority(unix.PRIO_PROCESS, 0, 19)
		done <- f()
	}()
	return <-done
}

// StayAwake keeps a processor from sleeping, with what it never gives to anybody who
// has work: the thread has the scheduling class of idle ones. The host of a
// virtual machine wakes a processor that sleeps up to some milliseconds late, and
// such a wait would count as the server's. It does not return.
func StayAwake(cpu int) error {
	runtime.LockOSThread()
	var set unix.CPUSet
	set.Set(cpu)
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("processor %d: %w", cpu, err)
	}
	if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_IDLE}, 0); err != nil {
		return fmt.Errorf("scheduling class of idle threads: %w", err)
	}
	//lint:ignore SA5002 A processor that has something to do is what this is for.
	for {
	}
}

// KeepAwake starts a command that is going to call StayAwake.
func KeepAwake(cmd *exec.Cmd) (stop func(), err error) {
	// Its session is this one: the kernel may share out processors to sessions first,
	// whatever the classes of their threads. So it does not help another session.
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	started, end, ended := make(chan error), make(chan struct{}), make(chan struct{})
	go func() { // see Start
		defer close(ended)
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err != nil {
			return
		}
		<-end
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return func() { close(end); <-ended }, nil
}

// Ended reports whether the process has ended.
func (p *Process) Ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stop ends the process and its children, first with SIGTERM and, after ten seconds,
// with SIGKILL. It waits until they are gone.
func (p *Process) Stop() {
	pids := tree(p.PID())
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGTERM, 10 * time.Second}, {syscall.SIGKILL, 5 * time.Second}} {
		for _, id := range pids {
			if alive(id) {
				_ = syscall.Kill(id, step.signal) // it may have ended just now
			}
		}
		for end := time.Now().Add(step.wait); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
			if !anyAlive(pids) {
				<-p.done
				return
			}
		}
	}
}

func anyAlive(pids []int) bool {
	for _, id := range pids {
		if alive(id) {
			return true
		}
	}
	return false
}

// alive reports whether a process is there and no zombie.
func alive(pid int) bool {
	f, err := stat(pid)
	return err == nil && f[0] != "Z"
}

// stat returns the fields of /proc/PID/stat from the state on.
func stat(pid int) ([]string, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	text := string(b)
	f := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(f) < 20 {
		return nil, fmt.Errorf("/proc/%d/stat: %q has too few fields", pid, text)
	}
	return f, nil
}

// tree returns a process and all that descend from it.
func tree(pid int) []int {
	children := map[int][]int{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		id, _ := strconv.Atoi(filepath.Base(d))
		if f, err := stat(id); err == nil {
			parent, _ := strconv.Atoi(f[1])
			children[parent] = append(children[parent], id)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// Usage returns what the process and its children have used so far.
func (p *Process) Usage() Usage {
	u := Usage{threads: map[int]bool{}}
	const perTick = 10 * time.Millisecond // USER_HZ is 100 on all Linux systems with Go
	for _, id := range tree(p.PID()) {
		if f, err := stat(id); err == nil {
			user, _ := strconv.ParseInt(f[11], 10, 64)
			system, _ := strconv.ParseInt(f[12], 10, 64)
			u.user += time.Duration(user) * perTick
			u.system += time.Duration(system) * perTick
		}
		tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", id))
		for _, t := range tasks {
			b, err := os.ReadFile(t + "/schedstat")
			f := strings.Fields(string(b))
			if err != nil || len(f) == 0 {
				continue
			}
			ns, _ := strconv.ParseInt(f[0], 10, 64)
			thread, _ := strconv.Atoi(filepath.Base(t))
			u.onCPU += time.Duration(ns)
			u.threads[thread] = true
		}
	}
	return u
}

// Memory returns what the process and its children take.
func (p *Process) Memory() Memory {
	var m Memory
	for _, id := range tree(p.PID()) {
		m.PSS += kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", id), "Pss:") << 10
		m.Private += kilobytes(fmt.Sprintf("/proc/%d/smaps_rollup", id), "Anonymous:") << 10
		m.Peak += kilobytes(fmt.Sprintf("/proc/%d/status", id), "VmHWM:") << 10
	}
	return m
}

// kilobytes returns the number behind a word at the start of a line.
func kilobytes(path, word string) uint64 {
	b, _ := os.ReadFile(path)
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == word {
			n, _ := strconv.ParseUint(f[1], 10, 64)
			return n
		}
	}
	return 0
}
