package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/spf13/cobra"
)

// lab is a server for one test.
type lab struct {
	dir         string // of the configuration, the log and the state
	isTemporary bool
	dns, api    string // addresses to listen on
	ec2         string // likewise
	pool        string // prefix of Elastic IP addresses
	tls         bool
	servers     []string
	throttle    uint16
	id, secret  string
}

func newLab(g *globals) *cobra.Command {
	l := &lab{}
	cmd := &cobra.Command{
		Use:   "lab [-- COMMAND [ARGUMENT]...]",
		Short: "Run a server with the APIs of Route 53 and EC2 for tests, with a key of its own",
		Long: `lab starts a server of DNS, of the Route 53 API, and of the part of the EC2 API that sets reverse
names of Elastic IP addresses, on loopback addresses. It prints how to use them with the access key
made for it, and ends on SIGINT or SIGTERM.

With a COMMAND it runs this in an environment that has the access key and the addresses, and
ends with it and its exit code. The log is in the file ptrd.log of the directory.

Hosted zones and addresses are in a temporary directory, which is removed in the end, or in --state-dir DIR.`,
		Example: `  ptrd lab
  ptrd lab --state-dir ./lab -- sh -c 'aws --endpoint-url $PTRD_LAB_ENDPOINT route53 list-hosted-zones'`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return usagef("%s has no arguments but a command after --, %q was given; see `%[1]s --help`", cmd.CommandPath(), args[0])
			}
			l.dir = g.state
			return l.run(cmd.Context(), args, cmd)
		},
	}
	f := cmd.Flags()
	f.StringVar(&l.dns, "dns", "127.0.0.1:0", "the `ADDRESS` of DNS; port 0: one that is free")
	f.StringVar(&l.api, "api", "127.0.0.1:0", "the `ADDRESS` of the API; port 0: one that is free")
	f.StringVar(&l.ec2, "ec2", "127.0.0.1:0", "the `ADDRESS` of the EC2 API; port 0: one that is free")
	f.StringVar(&l.pool, "addresses", "198.18.0.0/24", "the `PREFIX` of Elastic IP addresses; the lab serves its reverse zone")
	f.BoolVar(&l.tls, "tls", false, "serve the APIs over TLS, with a certificate of a test CA for localhost and the names of AWS")
	f.StringSliceVar(&l.servers, "nameservers", []string{"ns1.ptrd.test", "ns2.ptrd.test"}, "the name servers of new hosted zones")
	f.Uint16Var(&l.throttle, "throttle", 0, "refuse more than `N` requests a second, as Route 53 does with 5; 0: none")
	return cmd
}

func (l *lab) run(ctx context.Context, command []string, cmd *cobra.Command) (err error) {
	if l.isTemporary = l.dir == ""; l.isTemporary {
		if l.dir, err = os.MkdirTemp("", "ptrd-lab-*"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(l.dir)) }()
	} else if err := os.MkdirAll(l.dir, 0o700); err != nil {
		return err
	}
	l.id, l.secret = "AKIALAB"+randomText(9), randomText(30)
	path, err := l.configure()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(l.dir, "ptrd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, os.Interrupt)
	defer stop()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan *daemon.Status, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- daemon.Run(ctx, daemon.Options{Config: path, Version: version(), Log: log}, func(d *daemon.Daemon) { ready <- d.Status() })
	}()
	var s *daemon.Status
	select {
	case s = <-ready:
	case err := <-ended:
		return err
	}
	if len(command) == 0 {
		l.print(cmd.OutOrStdout(), s)
		return <-ended
	}
	err = l.call(ctx, command, s, cmd)
	cancel()
	return errors.Join(err, <-ended)
}

// randomText returns n random characters.
func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return strings.ToUpper(strings.NewReplacer("+", "A", "/", "B").Replace(base64.RawStdEncoding.EncodeToString(b)))[:n]
}

// configure writes the configuration and what it names, and returns its path.
func (l *lab) configure() (path string, err error) {
	for flag, text := range map[string]string{"--dns": l.dns, "--api": l.api, "--ec2": l.ec2} {
		if a, err := netip.ParseAddrPort(text); err != nil || !a.Addr().IsLoopback() {
			return "", usagef("%s %q is not a loopback address with a port, such as 127.0.0.1:0", flag, text)
		}
	}
	if p, err := netip.ParsePrefix(l.pool); err != nil || p != p.Masked() || p.Bits() < 16 {
		return "", usagef("--addresses %q is not a prefix of at most 65536 addresses, such as 198.18.0.0/24", l.pool)
	}
	certificate := ""
	if l.tls {
		if err := makeCertificates(l.dir); err != nil {
			return "", err
		}
		certificate = ", cert_file: cert.pem, key_file: key.pem"
	}
	path = filepath.Join(l.dir, "lab.yaml")
	text := fmt.Sprintf(`# Written by "ptrd lab" at each start.
listen:
  dns: [%q]
  route53: {address: %q%s}
  ec2: {address: %q%[3]s}
state_dir: state
defaults: {nameservers: [%[5]s]}
route53:
  throttle: %[9]d
  access_keys: [{id: %[6]s, secret: %[7]s}]
ec2: {prefixes: [%[8]q]}
zones: [{prefix: %[8]q}]
`, l.dns, l.api, certificate, l.ec2, strings.Join(l.servers, ", "), l.id, l.secret, l.pool, l.throttle)
	return path, os.WriteFile(path, []byte(text), 0o600)
}

// environment returns the variables of a command.
func (l *lab) environment(s *daemon.Status) []string {
	host, port, _ := net.SplitHostPort(s.Listen[0]) // it is an address
	env := []string{
		"AWS_ACCESS_KEY_ID=" + l.id, "AWS_SECRET_ACCESS_KEY=" + l.secret, "AWS_SESSION_TOKEN=",
		"AWS_DEFAULT_REGION=us-east-1", "AWS_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
		"AWS_ENDPOINT_URL_ROUTE_53=" + l.endpoint(s.Route53), "PTRD_LAB_ENDPOINT=" + l.endpoint(s.Route53),
		"AWS_ENDPOINT_URL_EC2=" + l.endpoint(s.EC2), "PTRD_LAB_EC2_ENDPOINT=" + l.endpoint(s.EC2),
		"PTRD_LAB_DNS=" + s.Listen[0], "PTRD_LAB_DNS_HOST=" + host, "PTRD_LAB_DNS_PORT=" + port,
		"PTRD_LAB_CONFIG=" + filepath.Join(l.dir, "lab.yaml"),
	}
	if l.tls {
		ca, err := filepath.Abs(filepath.Join(l.dir, "ca.pem"))
		if err == nil {
			env = append(env, "AWS_CA_BUNDLE="+ca, "NODE_EXTRA_CA_CERTS="+ca, "SSL_CERT_FILE="+ca, "PTRD_LAB_CA="+ca)
		}
	}
	return env
}

// endpoint returns the URL of an API.
func (l *lab) endpoint(address string) string {
	if l.tls {
		return "https://" + address
	}
	return "http://" + address
}

// call runs a command.
func (l *lab) call(ctx context.Context, command []string, s *daemon.Status, cmd *cobra.Command) error {
	c := exec.CommandContext(ctx, command[0], command[1:]...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 10 * time.Second
	c.Env = append(os.Environ(), l.environment(s)...)
	c.Stdin, c.Stdout, c.Stderr = cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	err := c.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 {
		return &exitStatus{exit.ExitCode()}
	}
	return err
}

// print prints how to use the server.
func (l *lab) print(w io.Writer, s *daemon.Status) {
	env := l.environment(s)
	fmt.Fprintf(w, "Route 53 API  %s\nEC2 API       %s, Elastic IP addresses of %s\nDNS           %s\ndirectory     %s",
		l.endpoint(s.Route53), l.endpoint(s.EC2), l.pool, s.Listen[0], l.dir)
	if l.isTemporary {
		fmt.Fprint(w, " (temporary)")
	}
	host, port, _ := net.SplitHostPort(s.Listen[0]) // it is an address
	fmt.Fprintf(w, `

environment of clients
  export %s

AWS CLI and boto3 need the address (the CLI from 2.13 on reads AWS_ENDPOINT_URL_ROUTE_53)
  aws --endpoint-url %[2]s route53 create-hosted-zone --name 2.0.192.in-addr.arpa --caller-reference 1
  aws --endpoint-url %[3]s ec2 allocate-address --domain vpc
  boto3.client("route53", endpoint_url=%[2]q)
  boto3.client("ec2", endpoint_url=%[3]q)
SDK for Go with its module config, external-dns
  the environment above
SDK for JavaScript
  new Route53Client({endpoint: %[2]q, region: "us-east-1"})
  new EC2Client({endpoint: %[3]q, region: "us-east-1"})
Terraform
  provider "aws" {
    region = "us-east-1"
    skip_credentials_validation = true
    skip_metadata_api_check = true
    skip_requesting_account_id = true
    endpoints {
      route53 = %[2]q
      ec2     = %[3]q
    }
  }
`, strings.Join(env, "\n  export "), l.endpoint(s.Route53), l.endpoint(s.EC2))
	if l.tls {
		fmt.Fprintf(w, `clients without a setting for the address (lego, certbot): trust %s, and with --api 127.0.0.1:443
add to /etc/hosts
  127.0.0.1 route53.amazonaws.com
`, filepath.Join(l.dir, "ca.pem"))
	} else {
		fmt.Fprint(w, "clients without a setting for the address (lego, certbot)\n  ptrd lab --tls --api 127.0.0.1:443\n")
	}
	fmt.Fprintf(w, "\nquestions\n  dig @%s -p %s -x 192.0.2.5\n", host, port)
}

// makeCertificates writes the certificate of a new CA to ca.pem, and a certificate and its key.
func makeCertificates(dir string) error {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	begin := time.Now().Add(-time.Hour)
	ca := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: "ptrd lab"},
		NotBefore: begin, NotAfter: begin.AddDate(0, 1, 0), IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano() + 1), Subject: pkix.Name{CommonName: "route53.amazonaws.com"},
		NotBefore: begin, NotAfter: begin.AddDate(0, 1, 0), KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost", "route53.amazonaws.com", "ec2.us-east-1.amazonaws.com"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	caDER, err := x509.CreateCertificate(rand.Reader, ca, ca, caKey.Public(), caKey)
	if err != nil {
		return err
	}
	leafDER, err := x509.CreateCertificate(rand.Reader, leaf, ca, key.Public(), caKey)
	if err != nil {
		return err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	for name, block := range map[string]*pem.Block{
		"ca.pem":   {Type: "CERTIFICATE", Bytes: caDER},
		"cert.pem": {Type: "CERTIFICATE", Bytes: leafDER},
		"key.pem":  {Type: "PRIVATE KEY", Bytes: keyDER},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			return err
		}
	}
	return nil
}
