package main

import (
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"sync"

	"github.com/ptrd/ptrd/internal/assemble"
	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/daemon"
	"github.com/ptrd/ptrd/internal/delegation"
	"github.com/ptrd/ptrd/internal/doctor"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/ptrd/ptrd/zone/rr"
	"github.com/spf13/cobra"
)

func newDoctor(g *globals) *cobra.Command {
	var ask askFlags
	var addresses, lists []string
	var all, plugin bool
	var message string
	var names [3]string
	q := doctor.Request{}
	cmd := &cobra.Command{
		Use:   "doctor [ADDRESS]...",
		Short: "Find out why mail from an address is rejected, and who can fix it",
		Long: `doctor examines the addresses that a mail server sends from: the delegation of the reverse
zone, the PTR record, whether its name leads back, the name in HELO, the MX records of the
domain, and SPF. It prints a row for each address, then the first fault to fix, with the
remedy, who can fix it, and what receiving servers may reply until then.

It works for any host, and needs no configuration. If the zone with the fault is in the
configuration, doctor shows the file and line.

With --message, doctor reads the address, the name in HELO and the domain from the text of a
rejection, as far as it has them, and shows what it read. "-" stands for standard input.

What is not known, because servers do not answer, is shown as "?", and never as wrong.

Exit codes: 0 nothing to fix; 1 something to fix; 2 wrong command line; 3 nothing is known to
be wrong, but something that is required is not known. It takes at most a minute.`,
		Example: `  ptrd doctor --ip 203.0.113.25 --helo mail.example.com --domain example.com
  ptrd doctor --message "450 4.7.25 Client host rejected: cannot find your hostname, [203.0.113.25]"
  ptrd doctor --ip 203.0.113.25 --ip 2001:db8::25 --helo mail.example.com --plan
  ptrd doctor --ip 203.0.113.25 --domain example.com --mail-from bounce.example.com`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			addresses = append(args, addresses...) // --ip is another way to write them
			if err := readMessage(cmd, message, &addresses, &names); err != nil {
				return err
			}
			var err error
			if q.Addresses, err = examined(addresses); err != nil {
				return err
			}
			if q.Lists, err = blocklists(lists); err != nil {
				return err
			}
			if !slices.Contains(doctor.Languages, q.Language) {
				return usagef("--lang %q is not a language of the mails; they are %s", q.Language, strings.Join(doctor.Languages, " and "))
			}
			for i, n := range []struct {
				flag string
				to   *dname.Name
			}{{"helo", &q.HELO}, {"domain", &q.Domain}, {"mail-from", &q.MailFrom}} {
				if names[i] == "" {
					continue
				}
				if *n.to, err = dname.Parse(names[i]); err != nil {
					return usagef("--%s %q is not a name: %v", n.flag, names[i], err)
				}
			}
			o, err := ask.options()
			if err != nil {
				return err
			}
			switch cfg, err := g.loadIfAny(); {
			case err != nil:
				remark(cmd, "the places in the configuration cannot be shown, because it has errors:\n%v", err)
			case cfg != nil:
				q.Ours = g.ours(cmd, cfg)
			}
			o.Brief = true
			q.Client = delegation.New(o)
			r := doctor.Examine(cmd.Context(), &q)
			if plugin {
				line, code := r.Status()
				fmt.Fprintln(cmd.OutOrStdout(), line)
				if code != 0 {
					return &exitStatus{code}
				}
				return nil
			}
			if all {
				r.ShowAll()
			}
			return g.show(cmd, r)
		},
	}
	g.addJSON(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&addresses, "ip", nil, "`ADDRESS` that mail is sent from, as the arguments; may be repeated, once for each uplink")
	f.StringVar(&names[0], "helo", "", "`NAME` that the mail server gives in HELO or EHLO")
	f.StringVar(&names[1], "domain", "", "`NAME` of the domain of the mail addresses")
	f.StringVar(&names[2], "mail-from", "", "`NAME` of the domain in MAIL FROM, if it is another one, as of a mail service")
	f.StringVar(&message, "message", "", "`TEXT` of the rejection, with the address and perhaps names; - reads standard input")
	f.StringSliceVar(&lists, "dnsbl", nil, "`NAME` of a blocklist to ask for the addresses; may be repeated")
	f.StringVar(&q.Language, "lang", doctor.Languages[0], "`LANGUAGE` of mails to other operators: "+strings.Join(doctor.Languages, ", "))
	f.BoolVar(&all, "plan", false, "show all faults in the order in which to fix them, not only the first")
	f.BoolVar(&plugin, "check", false, "print one line, with the exit codes of monitoring plugins: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN")
	cmd.MarkFlagsMutuallyExclusive("check", "plan", "json")
	ask.add(cmd)
	return cmd
}

// maxMessage is how much of a rejection is read: a bounce has the rejected mail after it.
const maxMessage = 1 << 20

// readMessage takes from the text of a rejection what no flag has, and shows it.
func readMessage(cmd *cobra.Command, message string, addresses *[]string, names *[3]string) error {
	if !cmd.Flags().Changed("message") {
		return nil
	}
	if message == "-" {
		b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxMessage))
		if err != nil {
			return err
		}
		message = string(b)
	}
	m := doctor.ReadMessage(message)
	read := ""
	if len(*addresses) == 0 {
		switch len(m.Addresses) {
		case 0:
			return usagef("the message has no public address; give the one that mail is sent from by --ip ADDRESS")
		case 1:
			*addresses = append(*addresses, m.Addresses[0].String())
			read += " --ip " + (*addresses)[0]
		default:
			return usagef("the message has several addresses, %s; give the one that mail is sent from by --ip ADDRESS", strings.Trim(fmt.Sprint(m.Addresses), "[]"))
		}
	}
	for i, from := range []struct{ flag, value string }{{"helo", m.HELO}, {"domain", m.Domain}} {
		if names[i] == "" && from.value != "" {
			names[i] = from.value
			read += " --" + from.flag + " " + from.value
		}
	}
	if read != "" {
		remark(cmd, "read from the message:%s", read)
	}
	for _, l := range m.Lists {
		remark(cmd, "the message names a blocklist: --dnsbl %s asks it", l)
	}
	return nil
}

// blocklists reads the values of --dnsbl.
func blocklists(values []string) (out []dname.Name, err error) {
	if len(values) > doctor.MaxLists {
		return nil, usagef("--dnsbl is given %d times; at most %d blocklists are asked at once", len(values), doctor.MaxLists)
	}
	for _, v := range values {
		n, err := dname.Parse(v)
		if err != nil || !doctor.CanBeList(n) {
			return nil, usagef("--dnsbl %q is not the name of a blocklist, such as zen.spamhaus.org", v)
		}
		out = append(out, n)
	}
	return out, nil
}

// examined reads the values of --ip.
func examined(values []string) (out []netip.Addr, err error) {
	if len(values) == 0 {
		return nil, usagef("doctor needs the address that mail is sent from: --ip ADDRESS; the rejection has it as a rule, and --message TEXT reads it from there")
	}
	if len(values) > doctor.MaxAddresses {
		return nil, usagef("%d addresses are given; at most %d are examined at once", len(values), doctor.MaxAddresses)
	}
	for _, v := range values {
		a, err := netip.ParseAddr(v)
		if err != nil {
			return nil, usagef("%q is not an address; write one such as 203.0.113.25", v)
		}
		out = append(out, a)
	}
	return out, nil
}

// ours returns a function that finds zones and records of our own server: in the configuration,
// and in the server that runs with it. It may be called concurrently.
func (g *globals) ours(cmd *cobra.Command, cfg *config.Config) func(zone, name dname.Name, t rr.Type) (doctor.Owner, bool) {
	var mu sync.Mutex
	return func(zone, name dname.Name, t rr.Type) (doctor.Owner, bool) {
		mu.Lock()
		defer mu.Unlock()
		for i := range cfg.Zones {
			z := &cfg.Zones[i]
			if slices.ContainsFunc(z.Apexes, zone.Equal) {
				return ourZone(cmd, cfg, z, name, t)
			}
		}
		return g.servedZone(cmd, zone)
	}
}

// servedZone returns who can change the records of a zone that only the running server knows.
func (g *globals) servedZone(cmd *cobra.Command, zone dname.Name) (o doctor.Owner, isOurs bool) {
	q := daemon.StatusQuery{What: zone.String()}
	var s daemon.Status
	if err := g.call(cmd, daemon.VerbStatus, q.Args(), &s); err != nil || len(s.Zones) != 1 || s.Zones[0].Zone != zone.String() || s.Zones[0].Detail == nil {
		return o, false // no server runs, or it does not have the zone
	}
	switch d := s.Zones[0].Detail; {
	case d.Hosted != "":
		o.Who = fmt.Sprintf("you, by the Route 53 API of this server, in the hosted zone %s", d.Hosted)
	case s.Zones[0].Secondary != nil:
		var primaries []string
		for _, p := range d.Primaries {
			primaries = append(primaries, p.Address)
		}
		o.Who = ofPrimary(primaries)
		return o, false
	default:
		o.Who = "you, on this server: " + d.Owner
	}
	return o, true
}

// ofPrimary returns who can change a zone that this server only transfers.
func ofPrimary(primaries []string) string {
	return "the operator of the primary server " + strings.Join(primaries, ", ") + ", from which this server transfers the zone"
}

// ourZone returns who can change a record of a name in a zone of the configuration.
func ourZone(cmd *cobra.Command, cfg *config.Config, z *config.Zone, name dname.Name, t rr.Type) (doctor.Owner, bool) {
	if s := z.Secondary; s != nil {
		var primaries []string
		for i := range s.Primaries {
			primaries = append(primaries, s.Primaries[i].Address.Addr().String())
		}
		return doctor.Owner{Who: ofPrimary(primaries), Position: s.Pos}, false
	}
	o := doctor.Owner{Who: "you, in the configuration of this server", Position: z.Pos}
	list, err := assemble.Explain(cmd.Context(), cfg, nil, name)
	if err != nil {
		return o, true // the sources have errors, which check shows
	}
	for _, x := range list {
		if x.Record.Type == t && x.Pos.File != "" {
			o.Position = x.Pos
			return o, true
		}
	}
	switch {
	case z.Dynamic:
		o.Who = "you, by an update (RFC 2136) of the dynamic zone on this server"
	case len(z.Update.Rules) > 0:
		o.Who = "you, in the configuration of this server, or by an update (RFC 2136)"
	}
	return o, true
}
