package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/miekg/dns"
)

// out measures the servers as primaries.
func out(ctx context.Context, ptrd, zone string, runs int, servers []string) error {
	ptrd, zone, err := absolute(ptrd, zone)
	if err != nil {
		return err
	}
	fmt.Println("| server | records | octets | seconds | CPU seconds | peak MB |\n| --- | ---: | ---: | ---: | ---: | ---: |")
	records := 0
	for range runs {
		for _, name := range servers {
			if err := oneOut(ctx, name, ptrd, zone, &records); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	return nil
}

// oneOut measures one server once. records is how many a transfer has; 0: it is not
// known yet.
func oneOut(ctx context.Context, name, ptrd, zone string, records *int) error {
	dir, err := os.MkdirTemp("", "transfer-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	args, err := configureWith(name, ptrd, dir, zone)
	if err != nil {
		return err
	}
	p, err := start(dir, args)
	if err != nil {
		return err
	}
	defer p.Stop()
	if err := await(ctx, p, port); err != nil {
		return err
	}
	if *records == 0 {
		if *records, err = count(); err != nil {
			return err
		}
	}
	before, began := p.Usage(), time.Now()
	octets, err := read(*records)
	if err != nil {
		return err
	}
	took := time.Since(began)
	cpu, _ := p.Usage().Since(before)
	fmt.Printf("| %s | %d | %d | %.2f | %.2f | %d |\n", name, *records, octets, took.Seconds(), cpu.Seconds(), p.Memory().Peak>>20)
	return nil
}

func address() string { return net.JoinHostPort("127.0.0.1", fmt.Sprint(port)) }

// count reads a transfer record by record, and returns how many it has.
func count() (n int, err error) {
	q := new(dns.Msg).SetAxfr(apex + ".")
	messages, err := new(dns.Transfer).In(q, address())
	if err != nil {
		return 0, err
	}
	for m := range messages {
		if m.Error != nil {
			return 0, m.Error
		}
		n += len(m.RR)
	}
	return n, nil
}

// read reads a transfer of so many records as fast as it comes, and returns the
// octets of its messages.
func read(records int) (octets int64, err error) {
	const patience = time.Minute
	conn, err := net.DialTimeout("tcp", address(), patience)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	q, err := new(dns.Msg).SetAxfr(apex + ".").Pack()
	if err != nil {
		return 0, err
	}
	if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(q))), q...)); err != nil {
		return 0, err
	}
	r := bufio.NewReaderSize(conn, 1<<18)
	for n := 0; n < records; {
		var head [2 + 12]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return 0, fmt.Errorf("after %d of %d records: %w", n, records, err)
		}
		size := int(binary.BigEndian.Uint16(head[:]))
		answers := int(binary.BigEndian.Uint16(head[2+6:]))
		if rcode := head[2+3] & 15; rcode != 0 || answers == 0 || size < 12 {
			return 0, errors.New("the transfer was refused or broken off")
		}
		if _, err := r.Discard(size - 12); err != nil {
			return 0, fmt.Errorf("after %d of %d records: %w", n, records, err)
		}
		n += answers
		octets += int64(size)
	}
	return octets, nil
}
