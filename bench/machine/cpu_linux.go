package machine

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPU returns what a processor has done since the system started.
func CPU(cpu int) Load {
	b, _ := os.ReadFile("/proc/stat")
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 9 || f[0] != fmt.Sprintf("cpu%d", cpu) {
			continue
		}
		ticks := func(i int) time.Duration {
			n, _ := strconv.ParseInt(f[i], 10, 64)
			return time.Duration(n) * 10 * time.Millisecond
		}
		// user, nice, system, idle, iowait, irq, softirq, steal
		return Load{Busy: ticks(1) + ticks(2) + ticks(3) + ticks(6) + ticks(7), Stolen: ticks(8)}
	}
	return Load{}
}

// Settle waits, at most so long, until the processors are idle.
func Settle(atMost time.Duration, cpus ...int) {
	const look = 200 * time.Millisecond
	for end := time.Now().Add(atMost); time.Now().Before(end); {
		var before, after time.Duration
		for _, c := range cpus {
			before += CPU(c).Busy
		}
		time.Sleep(look)
		for _, c := range cpus {
			after += CPU(c).Busy
		}
		if after-before <= look/10*time.Duration(len(cpus)) {
			return
		}
	}
}

// Own returns the processor time that this process has used, and of it what was
// spent outside the kernel.
func Own() (all, user time.Duration) { return usage(unix.RUSAGE_SELF) }

func usage(who int) (all, user time.Duration) {
	var r unix.Rusage
	if unix.Getrusage(who, &r) != nil {
		return 0, 0 // there is no such case
	}
	user = time.Duration(r.Utime.Nano())
	return user + time.Duration(r.Stime.Nano()), user
}

// Describe returns the number of processors and their model.
func Describe() string {
	model := "of unknown model"
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			model = strings.TrimSpace(value)
			break
		}
	}
	return fmt.Sprintf("%d processors, %s, %s/%s", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH)
}
