package secondary

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ptrd/ptrd/zone/rr"
)

// authority issues certificates.
type authority struct {
	t    *testing.T
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, dir, name string) *authority {
	a := &authority{t: t, file: filepath.Join(dir, name+".pem")}
	var der []byte
	der, a.key = a.issue(&x509.Certificate{IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.write(a.file, "CERTIFICATE", der)
	return a
}

// issue returns a certificate, signed by the authority or, before that has one, by
// itself.
func (a *authority) issue(c *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber, c.Subject = big.NewInt(1), pkix.Name{CommonName: "test"}
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

func (a *authority) write(path, kind string, der []byte) {
	a.t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

// secure is a fakePrimary behind TLS.
type secure struct {
	*fakePrimary
	config *tls.Config
}

func (s *secure) dial(ctx context.Context, network string, source netip.Addr, address netip.AddrPort) (net.Conn, error) {
	if network != "tcp" {
		s.t.Errorf("asked over %s", network)
	}
	ours, theirs := net.Pipe()
	go func() {
		conn := tls.Server(theirs, s.config)
		defer conn.Close()
		s.serveTCP(conn)
	}()
	return ours, nil
}

// TestTLS asks primaries over TLS: nothing is asked of one that does not prove who it
// is, and all goes over one connection.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ca, other := newAuthority(t, dir, "ca"), newAuthority(t, dir, "other")
	der, key := ca.issue(&x509.Certificate{DNSNames: []string{"ns1.example"}, IPAddresses: []net.IP{net.IPv4(192, 0, 2, 1)}})
	server := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"dot"}}
	cert, certKey := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	der, key = ca.issue(&x509.Certificate{ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	ca.write(cert, "CERTIFICATE", der)
	keyDER, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	ca.write(certKey, "EC PRIVATE KEY", keyDER)
	pool := x509.NewCertPool()
	pool.AddCert(ca.cert)
	for _, c := range []struct {
		what   string
		tls    TLS
		server func(c *tls.Config)
		want   string // error; empty: none
	}{
		{"by name", TLS{ServerName: "ns1.example", CAFile: ca.file}, func(*tls.Config) {}, ""},
		{"by address", TLS{ServerName: "192.0.2.1", CAFile: ca.file}, func(*tls.Config) {}, ""},
		{"another name", TLS{ServerName: "ns2.example", CAFile: ca.file}, func(*tls.Config) {}, "not ns2.example"},
		{"another authority", TLS{ServerName: "ns1.example", CAFile: other.file}, func(*tls.Config) {}, "unknown authority"},
		{"the system's authorities", TLS{ServerName: "ns1.example"}, func(*tls.Config) {}, "unknown authority"},
		{"no file", TLS{ServerName: "ns1.example", CAFile: filepath.Join(dir, "none")}, func(*tls.Config) {}, "no such file"},
		{"a file without certificate", TLS{ServerName: "ns1.example", CAFile: certKey}, func(*tls.Config) {}, "no certificate in it"},
		{"not DNS", TLS{ServerName: "ns1.example", CAFile: ca.file}, func(c *tls.Config) { c.NextProtos = nil }, "ALPN"},
		{"TLS 1.2", TLS{ServerName: "ns1.example", CAFile: ca.file}, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }, "protocol version"},
		{"both prove who they are", TLS{ServerName: "ns1.example", CAFile: ca.file, CertFile: cert, KeyFile: certKey}, func(c *tls.Config) {
			c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, pool
		}, ""},
	} {
		config := server.Clone()
		c.server(config)
		f := &secure{newFake(t), config}
		client := &client{dial: f.dial, now: unhurried}
		p := &Primary{Address: fakeAddr, TLS: &c.tls}
		a, err := client.soa(t.Context(), p, f.o.Apex)
		if err == nil {
			var got *received
			if got, err = client.transfer(t.Context(), p, request{typ: rr.TypeAXFR, apex: f.o.Apex}, true, a.conn); err == nil {
				hold(t, got.zone, f.o)
			}
		}
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.what, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		case c.want != "" && len(f.asked) > 0:
			t.Errorf("%s: asked %q", c.what, f.asked)
		}
		var untrusted *trustError
		if err != nil && !errors.As(err, &untrusted) {
			t.Errorf("%s: %v is no matter of trust", c.what, err)
		}
	}
}

// Queries over TLS are padded, signed or not.
func TestPadding(t *testing.T) {
	apex := newFake(t).o.Apex
	for _, typ := range []rr.Type{rr.TypeSOA, rr.TypeAXFR, rr.TypeIXFR} {
		q := query{apex: apex, typ: typ, base: mustBuild(t, newFake(t).o), edns: true, pad: padTo}
		if msg, _ := q.pack(nil, 0); len(msg)%padTo != 0 {
			t.Errorf("%v: %d octets", typ, len(msg))
		}
		if msg, _ := q.pack(testKey(t, "a.long.name.of.a.key", "secret"), 0); len(msg)%padTo != 0 {
			t.Errorf("%v, signed: %d octets", typ, len(msg))
		}
	}
}
