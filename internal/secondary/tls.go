package secondary

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"github.com/ptrd/ptrd/zone/infile"
)

// alpn is the protocol name of zone transfer over TLS (RFC 9103 §7.1).
const alpn = "dot"

// TLS is how both sides of a zone transfer over TLS are authenticated.
type TLS struct {
	ServerName string        // in the primary's certificate
	CAFile     string        // trusted authorities; empty: those of the system
	CertFile   string        // client certificate, for primaries that request one; empty: none
	KeyFile    string        // key of the client certificate
	Files      *infile.Files // that the files are read through; nil: without a time limit
}

// maxPEM bounds the size of each file in octets. The authorities of a whole system take a fourth
// of it.
const maxPEM = 1 << 20

// read returns the content of one of the files.
func (o *TLS) read(ctx context.Context, path string) (data []byte, err error) {
	if stopped := o.Files.Run(ctx, func(t *infile.Task) { data, err = t.ReadFile(path, maxPEM) }); stopped != nil {
		return nil, stopped
	}
	return data, err
}

// config returns the TLS configuration of a connection to the primary (RFC 9103 §7.1: TLS 1.3 in the
// strict profile of RFC 8310: without a valid certificate no request is sent). It reads the files
// now, so that new certificates need no reload.
func (o *TLS) config(ctx context.Context) (*tls.Config, error) {
	c := &tls.Config{ServerName: o.ServerName, NextProtos: []string{alpn}, MinVersion: tls.VersionTLS13}
	if o.CAFile != "" {
		pem, err := o.read(ctx, o.CAFile)
		if err != nil {
			return nil, err
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s: there is no certificate in it; give a file in PEM form", o.CAFile)
		}
	}
	if o.CertFile != "" {
		pem, err := o.read(ctx, o.CertFile)
		if err != nil {
			return nil, err
		}
		key, err := o.read(ctx, o.KeyFile)
		if err != nil {
			return nil, err
		}
		cert, err := tls.X509KeyPair(pem, key)
		if err != nil {
			return nil, fmt.Errorf("%s, %s: %w", o.CertFile, o.KeyFile, err)
		}
		c.Certificates = []tls.Certificate{cert}
	}
	return c, nil
}
