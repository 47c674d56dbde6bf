package await

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// failing is a test whose failure is a panic.
type failing struct{ testing.TB }

func (failing) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }

// What becomes true within Patience is waited for, and the failure shows the last state.
func TestAwait(t *testing.T) {
	since := func(begin time.Time) func() time.Duration {
		return func() time.Duration { return time.Since(begin).Truncate(Patience / 4) }
	}
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		That(t, "half of the time", func() bool { return time.Since(begin) >= Patience/2 })
		if got := Value(t, "more", since(begin), func(d time.Duration) bool { return d > Patience/2 }); got != Patience*3/4 {
			t.Errorf("got %v", got)
		}
		Equal(t, "the rest", Patience, since(begin))

		f := failing{t}
		for want, await := range map[string]func(){
			"in 1m0s: never":                        func() { That(f, "never", func() bool { return false }) },
			"never; the last value is\n1m0s":        func() { Value(f, "never", since(time.Now()), func(time.Duration) bool { return false }) },
			"in 1m0s: never: got\n1m0s, want\n-1ns": func() { Equal(f, "never", -1, since(time.Now())) },
		} {
			func() {
				defer func() {
					if got := fmt.Sprint(recover()); !strings.HasSuffix(got, want) {
						t.Errorf("%q, want %q at its end", got, want)
					}
				}()
				await()
			}()
		}
	})
}
