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

// doctorFlags are the flags of doctor.
type doctorFlags struct {
	doctor.Request
	ask askFlags

	addresses, lists       []string
	helo, domain, mailFrom string
	message                string
	all, plugin            bool
}

func newDoctor(g *globals) *cobra.Command {
	var d doctorFlags
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
			if err := d.read(g, cmd, args); err != nil {
				return err
			}
			r := doctor.Examine(cmd.Context(), &d.Request)
			if d.plugin {
				line, code := r.Status()
				fmt.Fprintln(cmd.OutOrStdout(), line)
				return &exitStatus{code} // 0: OK
			}
			if d.all {
				r.ShowAll()
			}
			return g.show(cmd, r)
		},
	}
	g.addJSON(cmd)
	f := cmd.Flags()
	f.StringSliceVar(&d.addresses, "ip", nil, "`ADDRESS` that mail is sent from, as the arguments; may be repeated, once for each uplink")
	f.StringVar(&d.helo, "helo", "", "`NAME` that the mail server gives in HELO or EHLO")
	f.StringVar(&d.domain, "domain", "", "`NAME` of the domain of the mail addresses")
	f.StringVar(&d.mailFrom, "mail-from", "", "`NAME` of the domain in MAIL FROM, if it is another one, as of a mail service")
	f.StringVar(&d.message, "message", "", "`TEXT` of the rejection, with the address and perhaps names; - reads standard input")
	f.StringSliceVar(&d.lists, "dnsbl", nil, "`NAME` of a blocklist to ask for the addresses; may be repeated")
	f.StringVar(&d.Language, "lang", doctor.Languages[0], "`LANGUAGE` of mails to other operators: "+strings.Join(doctor.Languages, ", "))
	f.BoolVar(&d.all, "plan", false, "show all faults in the order in which to fix them, not only the first")
	f.BoolVar(&d.plugin, "check", false, "print one line, with the exit codes of monitoring plugins: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN")
	cmd.MarkFlagsMutuallyExclusive("check", "plan", "json")
	d.ask.add(cmd)
	return cmd
}

// read fills in the Request.
func (d *doctorFlags) read(g *globals, cmd *cobra.Command, args []string) (err error) {
	d.addresses = append(args, d.addresses...) // --ip is another way to write them
	if err := d.readMessage(cmd); err != nil {
		return err
	}
	if d.Addresses, err = examined(d.addresses); err != nil {
		return err
	}
	if d.Lists, err = blocklists(d.lists); err != nil {
		return err
	}
	if !slices.Contains(doctor.Languages, d.Language) {
		return usagef("--lang %q is not a language of the mails; they are %s", d.Language, strings.Join(doctor.Languages, " and "))
	}
	for _, n := range []struct {
		flag, text string
		to         *dname.Name
	}{{"helo", d.helo, &d.HELO}, {"domain", d.domain, &d.Domain}, {"mail-from", d.mailFrom, &d.MailFrom}} {
		if n.text == "" {
			continue
		}
		if *n.to, err = dname.Parse(n.text); err != nil {
			return usagef("--%s %q is not a name: %v", n.flag, n.text, err)
		}
	}
	o, err := d.ask.options()
	if err != nil {
		return err
	}
	o.Brief = true
	d.Client = delegation.New(o)
	switch cfg, err := g.loadIfAny(); {
	case err != nil:
		remark(cmd, "the places in the configuration cannot be shown, because it has errors:\n%v", err)
	case cfg != nil:
		d.Ours = g.ours(cmd, cfg)
	}
	return nil
}

// maxMessage is how much of a rejection is read: a bounce has the rejected mail after it.
const maxMessage = 1 << 20

// readMessage takes from the text of a rejection what no flag has, and shows it.
func (d *doctorFlags) readMessage(cmd *cobra.Command) error {
	if !cmd.Flags().Changed("message") {
		return nil
	}
	if d.message == "-" {
		b, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxMessage))
		if err != nil {
			return err
		}
		d.message = string(b)
	}
	m := doctor.ReadMessage(d.message)
	read := ""
	if len(d.addresses) == 0 {
		switch len(m.Addresses) {
		case 0:
			return usagef("the message has no public address; give the one that mail is sent from by --ip ADDRESS")
		case 1:
			d.addresses = []string{m.Addresses[0].String()}
			read += " --ip " + d.addresses[0]
		default:
			return usagef("the message has several addresses, %s; give the one that mail is sent from by --ip ADDRESS", strings.Trim(fmt.Sprint(m.Addresses), "[]"))
		}
	}
	for _, from := range []struct {
		flag, text string
		to         *string
	}{{"helo", m.HELO, &d.helo}, {"domain", m.Domain, &d.domain}} {
		if *from.to == "" && from.text != "" {
			*from.to = from.text
			read += " --" + from.flag + " " + from.text
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
