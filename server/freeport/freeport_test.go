package freeport

import (
	"bufio"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
)

// TestAddress: two processes get different ports, none of them twice or in use, also when one block
// is not enough.
func TestAddress(t *testing.T) {
	const count = 2*blockSize + 10
	if os.Getenv("FREEPORT_CHILD") != "" {
		for range count {
			at, err := Address()
			if err != nil {
				t.Fatal(err)
			}
			os.Stdout.WriteString(at.String() + "\n")
		}
		bufio.NewReader(os.Stdin).ReadByte() // keeps its ports until the parent has its own
		return
	}
	child := exec.Command(os.Args[0], "-test.run", "^TestAddress$")
	child.Env = append(os.Environ(), "FREEPORT_CHILD=1")
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	in, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Wait()
	defer in.Close()
	seen := map[netip.AddrPort]bool{}
	for lines := bufio.NewScanner(out); len(seen) < count && lines.Scan(); {
		at, err := netip.ParseAddrPort(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		seen[at] = true
	}
	for range count {
		at, err := Address()
		if err != nil {
			t.Fatal(err)
		}
		if seen[at] {
			t.Fatalf("got %v twice", at)
		}
		seen[at] = true
		if port := at.Port(); port < first || port >= end {
			t.Errorf("got %v", at)
		}
	}
	if len(seen) != 2*count {
		t.Errorf("%d different ports, want %d", len(seen), 2*count)
	}
}

// TestInUse: ports of programs that claim none are passed over.
func TestInUse(t *testing.T) {
	before, err := Address()
	if err != nil {
		t.Fatal(err)
	}
	if l, err := net.Listen("tcp4", loopback(claims.last-blockSize).String()); err == nil {
		l.Close()
		t.Error("other processes can claim this block")
	}
	if claims.next+2 >= claims.last {
		t.Skip("the rest of the block is too short")
	}
	tcp, err := net.Listen("tcp4", loopback(claims.next).String())
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenPacket("udp4", loopback(claims.next+1).String())
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	after, err := Address()
	if err != nil {
		t.Fatal(err)
	}
	if after.Port() < before.Port()+3 {
		t.Errorf("got %v after %v, where two are in use", after, before)
	}
}
