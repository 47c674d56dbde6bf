package secondary

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"

	"github.com/ptrd/ptrd/zone/infile"
)

// alpn is the protocol that both sides of zone transfer over TLS name (RFC 9103 §7.1).
const alpn = "dot"

// TLS says how a primary proves who it is over TLS, and how we do.
type TLS struct {
	ServerName string        // in its certificate
	CAFile     string        // of the authorities that we trust; empty: those of the system
	CertFile   string        // of our certificate, for primaries that ask for one; empty: none
	KeyFile    string        // of its key
	Files      *infile.Files // that the files are read through; nil: without a time limit
}

// maxPEM bounds each of the files, in octets: the authorities of a whole system take
// a fourth of it.
const maxPEM = 1 << 20

// read returns the content of one of the files.
func (o *TLS) read(ctx context.Context, path string) (data []byte, err error) {
	if stopped := o.Files.Run(ctx, func(t *infile.Task) { data, err = t.ReadFile(path, maxPEM) }); stopped != nil {
		return nil, stopped
	}
	return data, err
}

// config returns the configuration of a connection to one primary (RFC 9103 §7.1: TLS
// 1.3, and in the strict profile of RFC 8310: without a valid certificate nothing is
// asked). Files are read now, so that new certificates need no reload.
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
