package daemon

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/ptrd/ptrd/internal/certtest"
)

// shown asks over TLS and returns the name in the certificate that the server showed.
func (l *lab) shown(t *testing.T, ca, host string) (string, error) {
	t.Helper()
	pem, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	s := l.Status()
	if len(s.TLS) == 0 {
		return "", fmt.Errorf("nobody listens")
	}
	config := &tls.Config{RootCAs: roots, ServerName: host, NextProtos: []string{"dot"}}
	conn, err := (&dns.Client{Net: "tcp-tls", TLSConfig: config, Timeout: patience}).Dial(s.TLS[0])
	if err != nil {
		return "", err
	}
	defer conn.Close()
	m := new(dns.Msg)
	m.SetQuestion("2.0.192.in-addr.arpa.", dns.TypeSOA)
	m, _, err = (&dns.Client{Net: "tcp-tls", Timeout: patience}).ExchangeWithConn(m, conn)
	if err == nil && len(m.Answer) != 1 {
		err = fmt.Errorf("%v", m)
	}
	return conn.Conn.(*tls.Conn).ConnectionState().PeerCertificates[0].Subject.CommonName, err
}

// A certificate is exchanged when its files change, by themselves; a bad one leaves
// the one of before in force, and the error names the file.
func TestTLSCertificates(t *testing.T) {
	dir := shortDir(t)
	ca := certtest.New(t, dir, "ca")
	ca.Issue("a", "ns1.example", time.Hour)
	config := func(tls string) string {
		return "listen: {dns: [\"127.0.0.1:0\"]" + tls + "}\nstate_dir: state\nzones: [{prefix: 192.0.2.0/24, nameservers: [ns.example.com]}]\n"
	}
	const with = ", tls: {addresses: [\"127.0.0.1:0\"], cert_file: ns1.pem, key_file: ns1.key}"
	use := func(name string) {
		for _, ext := range []string{".key", ".pem"} {
			data, err := os.ReadFile(filepath.Join(dir, name+ext))
			if err != nil {
				t.Fatal(err)
			}
			replace(t, filepath.Join(dir, "ns1"+ext), string(data))
		}
	}
	use("a")
	l := start(t, dir, config(""))
	if _, err := l.shown(t, ca.File, "ns1.example"); err == nil {
		t.Fatal("TLS is answered without being asked for")
	}
	replace(t, filepath.Join(dir, "config.yaml"), config(with))
	if o := l.reload(t); !o.OK() || len(o.Opened) != 1 {
		t.Fatalf("%+v", o)
	}
	if name, err := l.shown(t, ca.File, "ns1.example"); err != nil || name != "a" {
		t.Fatalf("%q, %v", name, err)
	}
	ca.Issue("b", "ns1.example", time.Hour)
	use("b")
	deadline := time.Now().Add(patience)
	for name := ""; name != "b"; {
		var err error
		if name, err = l.shown(t, ca.File, "ns1.example"); err != nil || time.Now().After(deadline) {
			t.Fatalf("%q, %v\n%s", name, err, l.log)
		}
	}
	replace(t, filepath.Join(dir, "ns1.pem"), "not a certificate")
	o := l.reload(t)
	if o.InForce || len(o.Findings) != 1 || !strings.Contains(o.Findings[0].Text, filepath.Join(dir, "ns1.pem")+": there is no certificate in the file") {
		t.Errorf("%+v", o)
	}
	if name, err := l.shown(t, ca.File, "ns1.example"); err != nil || name != "b" {
		t.Errorf("%q, %v", name, err)
	}
	replace(t, filepath.Join(dir, "config.yaml"), config(""))
	if o := l.reload(t); !o.OK() || len(o.Closed) != 1 {
		t.Errorf("%+v", o)
	}
	if _, err := l.shown(t, ca.File, "ns1.example"); err == nil {
		t.Error("TLS is still answered")
	}
}
