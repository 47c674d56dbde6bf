package assemble

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// machineMemory returns how many octets of memory there are, for the machine or for the
// control groups that we are in; 0: not known.
func machineMemory() int64 {
	most := int64(0)
	limit := func(text string, unit int64) {
		if n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64); err == nil && n > 0 && (most == 0 || n*unit < most) {
			most = n * unit
		}
	}
	info, _ := os.ReadFile("/proc/meminfo")
	if _, after, ok := bytes.Cut(info, []byte("MemTotal:")); ok {
		text, _, _ := bytes.Cut(after, []byte("kB"))
		limit(string(text), 1<<10)
	}
	groups, _ := os.ReadFile("/proc/self/cgroup")
	for line := range strings.Lines(string(groups)) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "0::") // of version 2
		for ok {
			text, _ := os.ReadFile(filepath.Join("/sys/fs/cgroup", path, "memory.max")) // `max`: none
			limit(string(text), 1)
			ok = path != "/"
			path = filepath.Dir(path)
		}
	}
	return most
}
