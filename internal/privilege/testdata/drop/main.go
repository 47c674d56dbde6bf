// Command drop starts threads, gives up root for the user named by its argument,
// and prints what every thread may still do, for a test to read.
package main

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"github.com/ptrd/ptrd/internal/privilege"
)

func main() {
	const threads = 8
	up := make(chan bool)
	for range threads {
		go func() {
			runtime.LockOSThread() // a thread for each
			up <- true
			select {}
		}()
	}
	for range threads {
		<-up
	}
	account, err := privilege.Lookup(os.Args[1])
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := syscall.Setgroups([]int{1, 2}); err != nil { // groups that are to go
		fmt.Println(err)
		os.Exit(1)
	}
	kept, err := privilege.Drop(account)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("kept", kept)
	files, _ := filepath.Glob("/proc/self/task/*/status")
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			continue // the thread has gone
		}
		var words []string
		for s := bufio.NewScanner(f); s.Scan(); {
			for _, key := range []string{"Uid:", "Gid:", "Groups:", "CapPrm:", "CapEff:", "NoNewPrivs:"} {
				if strings.HasPrefix(s.Text(), key) {
					words = append(words, strings.Fields(s.Text())...)
				}
			}
		}
		f.Close()
		fmt.Println(strings.Join(words, " "))
	}
}
