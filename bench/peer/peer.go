// Package peer knows how each server of a comparison is configured, started, reloaded
// and asked for its version: one file per server. All of them get one worker for UDP and
// one for TCP, no recursion, no rate limit, no statistics and no query log, minimal
// responses, and the zones as master files; what else they do is as they come.
package peer

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ptrd/ptrd/bench/dataset"
	"github.com/ptrd/ptrd/internal/peertest"
)

// Site is where a server is to work.
type Site struct {
	Dir    string // its own: configuration, sockets, logs
	Zones  string // directory of master files, APEX.zone each
	Apexes []string
	Port   int // on 127.0.0.1
	UID    int // that it runs as; 0 is root

	// Reloads says that zones are going to change. A server that can only look for it
	// all the time does so.
	Reloads bool

	Role    Role
	Primary int    // port of the primary of a secondary
	Extra   string // lines of ptrd's configuration
}

// ControlPort is a second port, of which what it is for depends on the server.
func (s *Site) ControlPort() int { return s.Port + 1000 }

// Role is what a server does with its zones.
type Role int

const (
	Files       Role = iota // it serves master files
	Updates                 // it takes updates from loopback addresses, in its own store
	FileUpdates             // the same, with a master file that stays the source
	Transfers               // it gives the zones to secondaries on loopback
	Secondary               // it has the zones from a primary
	Hosted                  // it takes updates as above, and has the Route 53 API on Site.ControlPort
	Ranges                  // it makes names for the addresses of dataset.Made4 and Made6
	ManyRanges              // likewise, with a rule for each of manyRanges parts
	Forward                 // it takes updates of the forward zone ForwardZone
	Derived                 // the same, and derives the PTRs of its other zone
)

// ForwardZone is the forward zone of the roles that have one.
const ForwardZone = "pool.example.net"

// role is the part of a configuration that a role replaces.
type role struct {
	head string // in the place of `${ROLE}` in the first file
	zone string // a piece for each zone, instead of that of the first file
}

// Peer is one server.
type Peer struct {
	Name    string
	program string
	control string   // another program that it wants; empty: none
	files   []config // what is written into Site.Dir
	roles   map[Role]role
	prepare func(s *Site) error
	args    []string // `$DIR` and others stand for what Site has
	reload  []string // a command; nil: it notices changes
	version func(output string) string
	asked   []string // arguments that print its version

	path string // of the program, once found
}

// config is a file: a head, a piece for each zone, in which `$ZONE` stands for its
// apex, and a tail.
type config struct{ name, head, zone, tail string }

// All returns all peers but ptrd, which is what a caller compares.
func All() []*Peer {
	return []*Peer{nsd(), knot(), bind(), powerDNS(), gdnsd(), yadifa(), coreDNS()}
}

// Makers returns the peers that make names for ranges, but for ptrd.
func Makers() []*Peer { return []*Peer{knot(), powerDNS(), coreDNS(), dnsmasq()} }

// isIP6 reports whether a zone is one of IPv6 addresses.
func isIP6(zone string) bool { return strings.HasSuffix(zone, "ip6.arpa") }

// Find looks for the server's programs. The error says what is missing, and where
// Debian has it.
func (p *Peer) Find() error {
	for _, program := range []string{p.program, p.control} {
		if program == "" {
			continue
		}
		path, ok := peertest.Find(program)
		if !ok {
			return fmt.Errorf("%s: %s is not installed; %s", p.Name, program, remedy(program))
		}
		if program == p.program {
			p.path = path
		}
	}
	return nil
}

// remedy says how to get a program.
func remedy(program string) string {
	switch program {
	case "coredns":
		return "Debian has no package of it: `go install github.com/coredns/coredns@latest`, and its directory in PATH"
	case "pdns_server":
		return "Debian packages pdns-server and pdns-backend-bind"
	}
	return "Debian package " + peertest.Package(program)
}

// Version returns one line.
func (p *Peer) Version() string {
	out, err := exec.Command(p.path, p.asked...).CombinedOutput()
	if v := p.version(string(out)); v != "" {
		return v
	}
	return fmt.Sprintf("unknown (%v)", err)
}

// Plays reports whether the server can be configured for a role.
func (p *Peer) Plays(r Role) bool {
	_, ok := p.roles[r]
	return ok
}

// Configure writes what the server needs into its directory.
func (p *Peer) Configure(s *Site) error {
	as, ok := p.roles[s.Role]
	if s.Role != Files && !ok {
		return fmt.Errorf("%s has no configuration for this measurement", p.Name)
	}
	for i, c := range p.files {
		c.head = strings.ReplaceAll(c.head, "${ROLE}", as.head)
		if i == 0 && ok {
			c.zone = as.zone
		}
		if err := c.write(s); err != nil {
			return err
		}
	}
	if p.prepare != nil {
		return p.prepare(s)
	}
	return nil
}

func (c *config) write(s *Site) error {
	f, err := os.Create(filepath.Join(s.Dir, c.name))
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	w.WriteString(s.expand(c.head, ""))
	for _, z := range s.Apexes {
		w.WriteString(s.expand(c.zone, z))
	}
	w.WriteString(s.expand(c.tail, ""))
	return errors.Join(w.Flush(), f.Close())
}

// expand puts values in the place of `$NAME`.
func (s *Site) expand(text, zone string) string {
	return os.Expand(text, func(name string) string {
		switch name {
		case "DIR":
			return s.Dir
		case "ZONES":
			return s.Zones
		case "PORT":
			return strconv.Itoa(s.Port)
		case "PRIMARY":
			return strconv.Itoa(s.Primary)
		case "EXTRA":
			return s.Extra
		case "CONTROL": // a second port
			return strconv.Itoa(s.ControlPort())
		case "UID":
			return strconv.Itoa(s.UID)
		case "WATCH": // how often to look for changes
			if s.Reloads {
				return "1s"
			}
			return "0"
		case "ZONE":
			return zone
		case "RANGE":
			if isIP6(zone) {
				return dataset.Made6
			}
			return dataset.Made4
		case "RANGES":
			return s.parts(zone)
		case "FIELD":
			if isIP6(zone) {
				return "{padded}"
			}
			return "{dashed}"
		}
		panic("a configuration with the unknown name $" + name)
	})
}

// manyRanges is how many parts a range is divided into, a power of two.
const manyRanges = 1 << 14

// parts returns an item of ptrd for each part of the range of a zone.
func (s *Site) parts(zone string) string {
	whole := netip.MustParsePrefix(s.expand("$RANGE", zone))
	size, length := whole.Addr().BitLen()/8, whole.Bits()+bits.Len(manyRanges-1)
	var b strings.Builder
	for i := range uint64(manyRanges) {
		var a [16]byte
		copy(a[:], whole.Addr().AsSlice())
		binary.BigEndian.PutUint64(a[:], binary.BigEndian.Uint64(a[:])|i<<(64-length))
		start, _ := netip.AddrFromSlice(a[:size])
		fmt.Fprintf(&b, "{range: \"%v/%d\", name: \"dyn-%s.example.net\", ttl: 1h}, ", start, length, s.expand("$FIELD", zone))
	}
	return b.String()
}

func (s *Site) expandAll(args []string, zone string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = s.expand(a, zone)
	}
	return out
}

// Command returns the command that runs the server in the foreground.
func (p *Peer) Command(s *Site) *exec.Cmd {
	return exec.Command(p.path, s.expandAll(p.args, "")...)
}

// Reload has the server read the changed master file of a zone, unless it notices changes
// without a command. It may return before the server has read it.
func (p *Peer) Reload(ctx context.Context, s *Site, zone string) error {
	if p.prepare != nil {
		if err := p.prepare(s); err != nil {
			return err
		}
	}
	if p.reload == nil {
		return nil
	}
	args := s.expandAll(p.reload, zone)
	path, _ := peertest.Find(args[0])
	if args[0] == p.program {
		path = p.path
	}
	if out, err := exec.CommandContext(ctx, path, args[1:]...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// after returns the word that follows a text, for versions.
func after(text string) func(string) string {
	return func(output string) string {
		_, rest, ok := strings.Cut(output, text)
		if f := strings.Fields(rest); ok && len(f) > 0 {
			return strings.Trim(f[0], ",")
		}
		return ""
	}
}
