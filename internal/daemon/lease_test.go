package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/zone/dname"
)

// TestLeases: a lease of Kea appears and its PTR is served; Kea's cleanup of its files changes nothing;
// the PTR goes with the end of the lease, and is not there either after a start. An update cannot
// change it.
func TestLeases(t *testing.T) {
	dir := shortDir(t)
	path := filepath.Join(dir, "kea-leases4.csv")
	const header = "address,hwaddr,client_id,valid_lifetime,expire,subnet_id,fqdn_fwd,fqdn_rev,hostname,state,user_context\n"
	line := func(last int, name string, end time.Duration) string {
		return fmt.Sprintf("192.0.2.%d,00:01,,3600,%d,1,0,0,%s,0,\n", last, time.Now().Add(end).Unix(), name)
	}
	add := func(path, text string) {
		t.Helper()
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
		if err == nil {
			_, err = f.WriteString(text)
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	const config = `
listen: {dns: ["127.0.0.1:0"], admin: ""}
state_dir: ./state
defaults: {nameservers: [ns1.example.com]}
zones:
  - prefix: 192.0.2.0/24
    update: [127.0.0.1]
    derive: [{kea: kea-leases4.csv, domain: lan.example}]
`
	add(path, header+line(1, "one", time.Hour)+line(9, "ended", -time.Hour))
	l := start(t, dir, config)
	reverse := func(last int) string {
		return lookup(t, l.dns, fmt.Sprintf("%d.2.0.192.in-addr.arpa.", last), dns.TypePTR)
	}
	becomes := func(last int, want string) {
		t.Helper()
		await(t, func() bool { return reverse(last) == want })
	}
	steps := func() (n int) {
		for _, err := range l.journal.Log(dname.MustParse("2.0.192.in-addr.arpa"), false) {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	becomes(1, "NOERROR one.lan.example.")
	becomes(9, "NXDOMAIN")
	add(path, line(2, "two.example.", time.Hour))
	becomes(2, "NOERROR two.example.")

	m := new(dns.Msg)
	m.SetUpdate("2.0.192.in-addr.arpa.")
	m.Insert([]dns.RR{&dns.PTR{Hdr: dns.RR_Header{Name: "2.2.0.192.in-addr.arpa.", Rrtype: dns.TypePTR, Class: dns.ClassINET, Ttl: 60}, Ptr: "other.example."}})
	if r, err := exchange(m, l.dns); err != nil || r.Rcode != dns.RcodeRefused {
		t.Errorf("%v, %v", r, err)
	}
	if want := "is derived from two.example. in " + path + ":4"; !strings.Contains(l.log.String(), want) {
		t.Errorf("the log has no %q:\n%s", want, l.log.String())
	}
	if n := l.updater.Totals()["derived"]; n != 1 {
		t.Errorf("%d updates of what is derived", n)
	}

	before := steps()
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	add(path, header)
	add(path, line(3, "three", time.Hour))
	becomes(3, "NOERROR three.lan.example.")
	add(path+".output", header+line(1, "one", time.Hour)+line(2, "two.example.", time.Hour))
	for _, err := range []error{os.Rename(path+".output", path+".completed"), os.Remove(path + ".1"), os.Rename(path+".completed", path+".2")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	await(t, func() bool { return l.leases.Adopted()[0].Status().Names == 3 }) // without the ended one
	if n := steps() - before; n != 1 {
		t.Errorf("%d changes during the cleanup, want that of one lease", n)
	}

	add(path, "here,00:01,,3600,1,1,0,0,name,0,\n")
	await(t, func() bool {
		st := l.leases.Adopted()[0].Status()
		return st.Names == 3 && st.Skipped == 1
	})
	want := path + `:3: \"here\" is not an address`
	await(t, func() bool { return strings.Contains(l.log.String(), want) })

	add(path, line(3, "three", time.Second))
	becomes(3, "NXDOMAIN")
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}
	add(path, line(1, "one", 0))
	l = start(t, dir, config)
	becomes(1, "NXDOMAIN")
	becomes(2, "NOERROR two.example.")
	if err := l.stop(); err != nil {
		t.Fatal(err)
	}

	// What was served is served after a start without the file, until it is there again.
	for _, suffix := range []string{"", ".2"} {
		if err := os.Rename(path+suffix, path+suffix+"-away"); err != nil {
			t.Fatal(err)
		}
	}
	l = start(t, dir, config)
	becomes(1, "NXDOMAIN")
	becomes(2, "NOERROR two.example.")
	if st := l.leases.Adopted()[0].Status(); !strings.Contains(st.Fault(), "those from before the start") {
		t.Errorf("%+v", st)
	}
	add(path, header+line(4, "four", time.Hour))
	becomes(4, "NOERROR four.lan.example.")
	becomes(2, "NXDOMAIN")
}
