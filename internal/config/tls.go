package config

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// ListenTLS configures DNS over TLS (RFC 7858), including transfers (RFC 9103).
type ListenTLS struct {
	Path      string // key path
	Addresses []netip.AddrPort
	Cert, Key File
	ClientCA  File // authorities for client certificates; without a path: clients need none

	// The content of the files. A Loader returns the same pointers while it is unchanged.
	Certificate *tls.Certificate
	Clients     *x509.CertPool // nil: without ClientCA
}

// listenTLS reads `listen.tls`; once reports duplicate addresses.
func (v value) listenTLS(once func(value, netip.AddrPort)) *ListenTLS {
	t := &ListenTLS{Path: v.path}
	read := func(v value) {
		ap := v.addrPort(853)
		once(v, ap)
		t.Addresses = append(t.Addresses, ap)
	}
	v.mapping(
		field{"addresses", func(v value) { v.oneOrMore(read) }},
		field{"cert_file", func(v value) { t.Cert = v.file() }},
		field{"key_file", func(v value) { t.Key = v.file() }},
		field{"client_ca_file", func(v value) {
			if s, ok := v.scalar(); ok && s != "" {
				t.ClientCA = v.file()
			}
		}},
	)
	if !v.isMapping() {
		return nil
	}
	if !v.hasKey("addresses") {
		v.fail("there is no listen address; give `addresses`, such as [\"0.0.0.0:853\", \"[::]:853\"]")
	}
	if !v.hasKey("cert_file") || !v.hasKey("key_file") {
		v.fail("TLS needs a certificate and its key; give `cert_file` and `key_file`, both in PEM format")
	}
	return t
}

// files returns the files that are configured.
func (t *ListenTLS) files() []File {
	list := []File{t.Cert, t.Key}
	if t.ClientCA.Path != "" {
		list = append(list, t.ClientCA)
	}
	return list
}

// maxPEM bounds a file with certificates or a key, in octets: the authorities of a whole
// system need a fourth of it.
const maxPEM = 1 << 20

// tlsFiles reads the files of a ListenTLS, and retains the result while they are unchanged.
type tlsFiles struct {
	sum    [sha256.Size]byte
	loaded *ListenTLS // nil: never read successfully
}

// read returns t with the content of its files.
func (l *tlsFiles) read(t *ListenTLS, read reader) (*ListenTLS, error) {
	if t.Cert.Path == "" || t.Key.Path == "" {
		return t, nil // there is an error about it
	}
	var errs Errors
	var content [3][]byte
	h := sha256.New()
	for i, f := range t.files() {
		data, err := read(f.Path, maxPEM)
		if err != nil {
			errs = append(errs, errorAt(f.Pos, t.Path, "%v", err))
		}
		content[i] = data
		fmt.Fprintf(h, "%d %d ", i, len(data))
		h.Write(data)
	}
	if len(errs) > 0 {
		return nil, errs
	}
	out := *t
	sum := [sha256.Size]byte(h.Sum(nil))
	if l.loaded != nil && l.sum == sum {
		out.Certificate, out.Clients = l.loaded.Certificate, l.loaded.Clients
		return &out, nil
	}
	var err error
	if out.Certificate, err = parsePair(t.Cert.Path, content[0], t.Key.Path, content[1]); err != nil {
		errs = append(errs, errorAt(t.Cert.Pos, t.Path+".cert_file", "%v", err))
	}
	if t.ClientCA.Path != "" {
		if out.Clients, err = parseAuthorities(t.ClientCA.Path, content[2]); err != nil {
			errs = append(errs, errorAt(t.ClientCA.Pos, t.Path+".client_ca_file", "%v", err))
		}
	}
	if len(errs) > 0 {
		return nil, errs
	}
	l.sum, l.loaded = sum, &out
	return &out, nil
}

// parsePair reads a certificate with its chain, and its key. Errors contain nothing of the
// key.
func parsePair(certPath string, cert []byte, keyPath string, key []byte) (*tls.Certificate, error) {
	if !hasPEM(cert, "CERTIFICATE") {
		return nil, fmt.Errorf("%s: there is no certificate in the file; give a file in PEM format, the certificate of the server first", certPath)
	}
	if !hasPEM(key, "PRIVATE KEY") {
		return nil, fmt.Errorf("%s: there is no private key in the file; give a file in PEM format, without a passphrase", keyPath)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		return nil, fmt.Errorf("%s, %s: %w; give a certificate and its own key", certPath, keyPath, err)
	}
	return &pair, nil
}

// hasPEM reports whether data has a PEM block whose type ends in kind.
func hasPEM(data []byte, kind string) bool {
	for {
		block, rest := pem.Decode(data)
		if block == nil {
			return false
		}
		if strings.HasSuffix(block.Type, kind) {
			return true
		}
		data = rest
	}
}

// parseAuthorities reads certificates of authorities.
func parseAuthorities(path string, data []byte) (*x509.CertPool, error) {
	pool, n := x509.NewCertPool(), 0
	for rest := data; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: certificate %d: %w; replace it", path, n+1, err)
		}
		pool.AddCert(c)
		n++
	}
	if n == 0 {
		return nil, errors.New(path + ": there is no certificate in the file; give a file in PEM format")
	}
	return pool, nil
}
