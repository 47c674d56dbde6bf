package sock

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/ptrd/ptrd/server/answer"
)

func TestSendFailuresAreSorted(t *testing.T) {
	for _, c := range []struct {
		err  error
		want answer.SendFailure
	}{
		{syscall.ECONNREFUSED, answer.SendRefused}, {syscall.EPERM, answer.SendForbidden}, {syscall.ENOBUFS, answer.SendNoBuffer},
		{syscall.EAGAIN, answer.SendNoBuffer}, {&net.OpError{Op: "write", Err: os.NewSyscallError("sendmsg", syscall.ENETUNREACH)}, answer.SendUnreachable}, {syscall.EMSGSIZE, answer.SendTooLong},
		{fmt.Errorf("write: %w", net.ErrClosed), answer.SendRefused}, {errors.New("odd"), answer.SendOther},
	} {
		if got := SendFailure(c.err); got != c.want {
			t.Errorf("%v: %v, want %v", c.err, got, c.want)
		}
	}
}
