package interop

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/ptrd/ptrd/internal/peertest"
)

// clientTime bounds one run of a client of the Route 53 API. Debian's aws CLI needs a second of
// processor time per command.
const clientTime = 3 * time.Minute

// modulesEnv names the directory node_modules that has the AWS SDK for JavaScript.
const modulesEnv = "PTRD_NODE_MODULES"

// A recordSet is a resource record set as clients print it.
type recordSet struct {
	Name, Type      string
	TTL             uint32
	ResourceRecords []struct{ Value string }
}

func (s *recordSet) values() (out []string) {
	for _, r := range s.ResourceRecords {
		out = append(out, r.Value)
	}
	return out
}

// octal are the escapes in names of the API, and listedName is the form of those that it lists.
var (
	octal      = regexp.MustCompile(`\\([0-7]{3})`)
	listedName = regexp.MustCompile(`^([a-z0-9_.-]|\\[0-7]{3})+\.$`)
)

// owner returns the name of s in presentation format (RFC 1035 §5.1), in lower case.
func (s *recordSet) owner() string {
	return strings.ToLower(dns.Fqdn(octal.ReplaceAllStringFunc(s.Name, func(e string) string {
		c, _ := strconv.ParseUint(e[1:], 8, 8) // it matches
		if strings.ContainsRune(`/*`, rune(c)) {
			return string(rune(c))
		}
		return fmt.Sprintf(`\%03d`, c)
	})))
}

// records returns the records of s.
func (s *recordSet) records(t *testing.T) (out []dns.RR) {
	for _, v := range s.values() {
		rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s %s", s.owner(), s.TTL, s.Type, v))
		if err != nil {
			t.Fatalf("%s %s %s: %v", s.Name, s.Type, v, err)
		}
		out = append(out, rr)
	}
	return out
}

// String is what two descriptions of a record set have in common.
func (s *recordSet) String() string {
	values := s.values()
	slices.Sort(values)
	return fmt.Sprintf("%s %d %s %q", s.owner(), s.TTL, s.Type, values)
}

// lab is a running `ptrd lab`.
type lab struct {
	dir string
	env []string // of clients
}

// startLab runs `ptrd lab` with flags in dir.
func startLab(t *testing.T, program, dir string, flags ...string) *lab {
	t.Helper()
	t.Cleanup(func() {
		if log, err := os.ReadFile(filepath.Join(dir, "lab", "ptrd.log")); t.Failed() && err == nil {
			t.Logf("ptrd:\n%s", lastLines(string(log)))
		}
	})
	args := append([]string{"lab", "--state-dir", "lab"}, flags...)
	c := startProcess(t, dir, program, append(args, "--", "sh", "-c", "env >made && mv made env && exec sleep 600")...)
	for deadline := time.Now().Add(startWait); ; {
		if text, err := os.ReadFile(filepath.Join(dir, "env")); err == nil {
			return &lab{dir, strings.Split(strings.TrimSpace(string(text)), "\n")}
		}
		select {
		case <-c.ended:
			t.Fatalf("ptrd lab ended:\n%s", c.log())
		case <-time.After(10 * time.Millisecond): // between two tries
		}
		if time.Now().After(deadline) {
			t.Fatalf("ptrd lab has not started:\n%s", c.log())
		}
	}
}

// get returns a variable of the environment.
func (l *lab) get(name string) string {
	for _, v := range l.env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	return ""
}

// run runs a client with the additional environment and returns what it prints.
func (l *lab) run(t *testing.T, env []string, command ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), clientTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Dir, cmd.Env, cmd.WaitDelay = l.dir, append(slices.Clone(l.env), env...), time.Second
	var stderr strings.Builder
	cmd.Stderr = &stderr
	endWithParent(cmd)
	cmd.Cancel = func() error { endGroup(cmd.Process); return nil }
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, out, stderr.String())
	}
	return string(out)
}

// requireAWS returns the path of the aws CLI, preferably Debian's.
func requireAWS(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat("/usr/bin/aws"); err == nil {
		return "/usr/bin/aws"
	}
	return peertest.Require(t, "aws")
}

// requirePython returns a Python that has the module, preferably Debian's.
func requirePython(t *testing.T, module string) string {
	t.Helper()
	for _, p := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(p, "-c", "import "+module).Run() == nil {
			return p
		}
	}
	peertest.Missing(t, "no Python has the module "+module+" (Debian package python3-"+strings.ReplaceAll(module, "_", "-")+")")
	return ""
}

// buildClient builds a program of a module in testdata/route53.
func buildClient(t *testing.T, module, pkg string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), filepath.Base(pkg)+".test")
	for _, step := range []struct {
		args  []string
		fails func(string)
	}{
		{[]string{"mod", "download"}, func(text string) { peertest.Missing(t, "the modules of clients cannot be downloaded: "+text) }},
		{[]string{"build", "-trimpath", "-o", path, pkg}, func(text string) { t.Fatal(text) }},
	} {
		cmd := exec.CommandContext(t.Context(), "go", step.args...)
		cmd.Dir = filepath.Join("testdata/route53", module)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as make build, so that the standard library is in the cache
		if out, err := cmd.CombinedOutput(); err != nil {
			step.fails(fmt.Sprintf("%v: %s", err, out))
		}
	}
	return path
}

// clients are the clients that make the zones of testdata/route53/zones.txt when they are
// called with "create", and print what they list; and delete with "delete" what they list.
var clients = []struct {
	name    string
	require func(t *testing.T) (command, env []string)
}{
	{"aws-cli", func(t *testing.T) (command, env []string) {
		return []string{"sh", "cli.sh"}, []string{"AWS=" + requireAWS(t)}
	}},
	{"boto3", func(t *testing.T) (command, env []string) {
		return []string{requirePython(t, "boto3"), "boto3_client.py"}, nil
	}},
	{"sdk-go", func(t *testing.T) (command, env []string) { return []string{buildClient(t, "go", ".")}, nil }},
	{"sdk-js", func(t *testing.T) (command, env []string) {
		node := peertest.Require(t, "node")
		modules := os.Getenv(modulesEnv)
		if _, err := os.Stat(filepath.Join(modules, "@aws-sdk/client-route-53")); modules == "" || err != nil {
			peertest.Missing(t, modulesEnv+" names no directory with @aws-sdk/client-route-53")
		}
		return []string{node, "sdk.js"}, []string{"NODE_PATH=" + modules}
	}},
}

// TestRoute53Clients makes hosted zones with unmodified clients, resolves all their records with dig,
// and deletes the zones with the same clients.
func TestRoute53Clients(t *testing.T) {
	t.Parallel()
	program := requireBinary(t)
	for _, c := range clients {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			command, env := c.require(t)
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS("testdata/route53")); err != nil {
				t.Fatal(err)
			}
			l := startLab(t, program, dir)
			listed := parseSets(t, l.run(t, env, append(command, "create")...))
			l.checkListed(t, listed)
			l.checkAnswers(t, listed)
			l.run(t, env, append(command, "delete")...)
			for _, z := range clientZones(t) {
				if r := l.dig(t, z.name, "SOA"); !strings.Contains(r, "status: REFUSED") {
					t.Errorf("%s is still answered after it was deleted:\n%s", z.name, r)
				}
			}
			if c.name != "aws-cli" { // of which each request is a process, so that it meets no limit
				checkRetries(t, program, env, append(command, "count"))
			}
		})
	}
}

// checkRetries has a client make more requests than the server answers in a second: it retries what
// is refused.
func checkRetries(t *testing.T, program string, env, command []string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/route53")); err != nil {
		t.Fatal(err)
	}
	startLab(t, program, dir, "--throttle", "5").run(t, append(env, "AWS_MAX_ATTEMPTS=10"), command...)
	log, err := os.ReadFile(filepath.Join(dir, "lab", "ptrd.log"))
	if err != nil || !strings.Contains(string(log), "code=Throttling") {
		t.Errorf("no request was refused: %v\n%s", err, log)
	}
}

// withExternalDNS builds external-dns, which takes minutes of processor time.
var withExternalDNS = flag.Bool("external-dns", false, "run TestRoute53ExternalDNS")

// TestRoute53ExternalDNS has external-dns make, change and remove the records of a zone, which it
// finds by its tag.
func TestRoute53ExternalDNS(t *testing.T) {
	t.Parallel()
	if !*withExternalDNS {
		t.Skip("external-dns takes minutes to build; -external-dns does it")
	}
	program, aws, client := requireBinary(t), requireAWS(t), buildClient(t, "externaldns", ".")
	l := startLab(t, program, t.TempDir())
	call := func(args ...string) string {
		return strings.TrimSpace(l.run(t, nil, append([]string{aws, "--endpoint-url", l.get("PTRD_LAB_ENDPOINT"), "--output", "text", "route53"}, args...)...))
	}
	ids := map[string]string{}
	for _, name := range []string{"example.com", "example.net"} {
		ids[name] = call("create-hosted-zone", "--name", name, "--caller-reference", name, "--query", "HostedZone.Id")
	}
	call("change-tags-for-resource", "--resource-type", "hostedzone", "--resource-id", strings.TrimPrefix(ids["example.com"], "/hostedzone/"), "--add-tags", "Key=owner,Value=lab")
	t.Log(l.run(t, nil, client, "example.com", "owner=lab"))
	for name, id := range ids {
		if n := call("get-hosted-zone", "--id", id, "--query", "HostedZone.ResourceRecordSetCount"); n != "2" {
			t.Errorf("%s record sets are left in %s", n, name)
		}
	}
}

// parseSets reads the listings of a client.
func parseSets(t *testing.T, text string) (out []*recordSet) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	for {
		var page struct{ ResourceRecordSets []*recordSet }
		if err := d.Decode(&page); errors.Is(err, io.EOF) {
			return out
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		out = append(out, page.ResourceRecordSets...)
	}
}

// A clientZone is a zone that clients make.
type clientZone struct {
	name string
	sets []*recordSet
}

func clientZones(t *testing.T) (out []clientZone) {
	t.Helper()
	list, err := os.ReadFile("testdata/route53/zones.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(list)) {
		name, file, _ := strings.Cut(strings.TrimSpace(line), " ")
		text, err := os.ReadFile(filepath.Join("testdata/route53", file))
		if err != nil {
			t.Fatal(err)
		}
		var batch struct {
			Changes []struct{ ResourceRecordSet *recordSet }
		}
		if err := json.Unmarshal(text, &batch); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		z := clientZone{name: name}
		for _, c := range batch.Changes {
			z.sets = append(z.sets, c.ResourceRecordSet)
		}
		out = append(out, z)
	}
	return out
}

// checkListed compares what a client lists with what it has made: the values are those that
// were submitted, to the letter.
func (l *lab) checkListed(t *testing.T, listed []*recordSet) {
	t.Helper()
	var got, want []string
	for _, s := range listed {
		if !listedName.MatchString(s.Name) {
			t.Errorf("the name %q is not escaped or not in lower case", s.Name)
		}
		if s.Type != "SOA" {
			got = append(got, s.String())
		}
	}
	for _, z := range clientZones(t) {
		for _, s := range z.sets {
			want = append(want, s.String())
		}
		want = append(want, fmt.Sprintf("%s. 172800 NS %q", z.name, []string{"ns1.ptrd.test.", "ns2.ptrd.test."}))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the client lists\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// checkAnswers resolves every record that was listed.
func (l *lab) checkAnswers(t *testing.T, listed []*recordSet) {
	t.Helper()
	for _, s := range listed {
		text := l.dig(t, s.owner(), s.Type)
		got := map[string]bool{}
		for line := range strings.Lines(text) {
			if rr, err := dns.NewRR(line); err == nil && rr != nil {
				got[normal(rr)] = true
			}
		}
		for _, rr := range s.records(t) {
			if !got[normal(rr)] {
				t.Errorf("%v is listed, but the answer is\n%s", rr, text)
			}
		}
	}
}

// normal returns rr with the case of names and the serial that do not matter.
func normal(rr dns.RR) string {
	if soa, ok := rr.(*dns.SOA); ok {
		soa.Serial = 0 // the served one is generated
	}
	return strings.ToLower(rr.String())
}

// dig asks the lab.
func (l *lab) dig(t *testing.T, name, typ string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(l.get("PTRD_LAB_DNS"))
	if err != nil {
		t.Fatal(err)
	}
	return run(t, l.dir, "dig", "@"+host, "-p", port, "+norecurse", "+bufsize=4096", "+time=60", name, typ)
}

// TestRoute53ACME gets certificates by the DNS-01 challenge from pebble, which asks ptrd for the
// records that lego and certbot make.
func TestRoute53ACME(t *testing.T) {
	t.Parallel()
	peertest.RequireRoot(t, "to make a network namespace")
	unshare := peertest.Require(t, "unshare", peertest.Namespaces)
	program, script := requireBinary(t), filepath.Join(route53Dir(t), "acme.sh")
	pebble := buildClient(t, "go", "github.com/letsencrypt/pebble/v2/cmd/pebble")
	for _, name := range []string{"lego", "certbot"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := peertest.Require(t, name)
			if name == "certbot" {
				requirePython(t, "certbot_dns_route53")
			}
			l := &lab{dir: t.TempDir(), env: os.Environ()}
			out := l.run(t, nil, unshare, "--net", "--mount", "sh", script, program, pebble, requireAWS(t), client)
			text, err := os.ReadFile(filepath.Join(l.dir, "certificate.pem"))
			if err != nil {
				t.Fatal(err)
			}
			block, _ := pem.Decode(text)
			if block == nil {
				t.Fatalf("no certificate in %q\n%s", text, out)
			}
			c, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				t.Fatal(err)
			}
			slices.Sort(c.DNSNames)
			if want := []string{"*.example.com", "example.com"}; !slices.Equal(c.DNSNames, want) {
				t.Errorf("the certificate is for %q, want %q", c.DNSNames, want)
			}
			listed, err := os.ReadFile(filepath.Join(l.dir, "listed.txt"))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(listed), "TXT") {
				t.Errorf("records of the challenge are left:\n%s", listed)
			}
		})
	}
}
