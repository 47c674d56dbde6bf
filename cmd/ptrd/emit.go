package main

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/emit"
	"github.com/ptrd/ptrd/zone/dname"
	"github.com/spf13/cobra"
)

func newEmit(g *globals) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "emit PROGRAM",
		Short: "Print the configuration that another program needs beside ptrd",
		Long: `emit prints what a secondary, a resolver or a DHCP server needs in its own
configuration so that it knows the zones of this one: all of them, or those that are
named by their apex, by a prefix that they are in, or by an address that is in them.

The text begins with comments that say which file it goes into and what else is
needed. A TSIG key appears by its name; the secret stays in a file of its own.`,
		Args: noSuchSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = 2
	for _, t := range emit.Targets() {
		cmd.AddCommand(newEmitTarget(g, &t))
	}
	return cmd
}

// emitUses says what a role is, for the help.
var emitUses = map[emit.Role]string{
	emit.Secondary: "as a secondary, which transfers the zones and serves them too",
	emit.Resolver:  "as a resolver, which asks ptrd for the names in the zones",
	emit.Updater:   "as a DHCP server, which writes PTR records by dynamic update",
}

func newEmitTarget(g *globals, t *emit.Target) *cobra.Command {
	var o emit.Options
	var servers []string
	var key string
	var resolver bool
	cmd := &cobra.Command{
		Use:   t.Name + " [ZONE|PREFIX|ADDRESS]...",
		Short: fmt.Sprintf("%s %s", t.Program, emitUses[t.Roles[0]]),
		Example: fmt.Sprintf(`  ptrd emit %[1]s
  ptrd emit %[1]s --server 192.0.2.53 10.0.0.0/8 2001:db8::/32`, t.Name),
		ValidArgsFunction: g.completeZone,
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := g.load()
			if err != nil {
				return err
			}
			zones, err := emitZones(cfg, args)
			if err != nil {
				return err
			}
			if o.Servers, err = emitServers(cfg, servers); err != nil {
				return err
			}
			if o.Role = t.Roles[0]; resolver {
				o.Role = emit.Resolver
			}
			if o.Role == emit.Updater && len(args) == 0 {
				if zones = slices.DeleteFunc(zones, func(z emitZone) bool { return len(z.item.Update.Rules) == 0 }); len(zones) == 0 {
					return fmt.Errorf("no zone of the configuration has `update`, so that nobody can change one; add it, with the DHCP server's key or address")
				}
			}
			keys := emitKeys{cfg: cfg}
			if cmd.Flags().Changed("key") {
				if err := keys.choose(key); err != nil {
					return err
				}
			}
			for _, z := range zones {
				o.Zones = append(o.Zones, emit.Zone{Apex: z.apex, Prefix: apexPrefix(z.item, z.apex), Key: keys.of(z, o.Role)})
			}
			if len(keys.closed) > 0 {
				what, where := "transfers", "transfer.allow"
				if o.Role == emit.Updater {
					what, where = "updates", "update"
				}
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: %s of %s are allowed to nobody who could be meant; add the neighbour's address, or its key, to `%s`\n", t.Name, what, shortList(keys.closed), where)
			}
			text, err := t.Text(o)
			if err != nil {
				return fmt.Errorf("%s: %w", t.Name, err)
			}
			_, err = cmd.OutOrStdout().Write(text)
			return err
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&servers, "server", nil, "`ADDRESS[:PORT]` where the neighbour finds ptrd; may be repeated (default listen.dns)")
	if t.Roles[0] != emit.Resolver {
		f.StringVar(&key, "key", "", "`NAME` of the TSIG key that the neighbour has; empty: none (default for each zone the first in its list of who may)")
	}
	if t.KeyFile != "" {
		f.StringVar(&o.KeyFile, "key-file", t.KeyFile, "the neighbour's `FILE` with the TSIG keys")
	}
	if t.HasFiles {
		f.StringVar(&o.Directory, "directory", t.Directory, "the neighbour's `DIRECTORY` for the files of zones (default its own)")
	}
	if t.HasLink {
		f.StringVar(&o.Link, "link", "", "write a drop-in for the network configuration of this `INTERFACE`, over which ptrd is reached")
	}
	if slices.Contains(t.Roles, emit.Resolver) {
		f.BoolVar(&o.Unsigned, "unsigned", false, "nobody above vouches for any of the zones: a validating resolver takes them unsigned")
		if len(t.Roles) > 1 {
			f.BoolVar(&resolver, "resolver", false, t.Program+" "+emitUses[emit.Resolver])
		}
	}
	return cmd
}

// emitServers returns the addresses by which a neighbour reaches the server: those
// given, else those that it listens on, but for loopback ones beside others.
func emitServers(cfg *config.Config, given []string) ([]netip.AddrPort, error) {
	var list []netip.AddrPort
	for _, s := range given {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			a, err := netip.ParseAddr(strings.Trim(s, "[]"))
			if err != nil {
				return nil, usagef("--server %q is no address; write one such as 192.0.2.53, 192.0.2.53:5300 or [2001:db8::53]:5300", s)
			}
			ap = netip.AddrPortFrom(a, 53)
		}
		if ap.Addr().IsUnspecified() || ap.Port() == 0 {
			return nil, usagef("--server %q is nowhere in particular; name an address of ptrd and its port", s)
		}
		list = append(list, ap)
	}
	if list != nil {
		return list, nil
	}
	loopback := true
	for _, ap := range cfg.Listen.DNS {
		if ap.Addr().IsUnspecified() || ap.Port() == 0 {
			return nil, usagef("listen.dns has %v, which does not say by which address others reach ptrd; name it by --server", ap)
		}
		loopback = loopback && ap.Addr().IsLoopback()
		list = append(list, ap)
	}
	if !loopback {
		list = slices.DeleteFunc(list, func(ap netip.AddrPort) bool { return ap.Addr().IsLoopback() })
	}
	if len(list) == 0 {
		return nil, usagef("listen.dns is empty, so that it does not say by which address others reach ptrd; name it by --server")
	}
	return list, nil
}

// emitZone is a zone of the configuration.
type emitZone struct {
	item *config.Zone
	apex dname.Name
}

// emitKeys finds the key that a neighbour signs with.
type emitKeys struct {
	cfg    *config.Config
	chosen bool      // key is for all zones
	key    *emit.Key // nil: none
	closed []dname.Name
}

// choose takes a key for all zones, none for the empty name.
func (k *emitKeys) choose(name string) error {
	k.chosen = true
	if name == "" {
		return nil
	}
	n, err := dname.Parse(name)
	if err != nil {
		return usagef("--key %q is not the name of a key: %v", name, err)
	}
	if k.key = k.named(n); k.key == nil {
		return fmt.Errorf("key %v is not under `keys` of the configuration; `ptrd key generate %[1]v` makes one", n)
	}
	return nil
}

func (k *emitKeys) named(n dname.Name) *emit.Key {
	for _, c := range k.cfg.Keys {
		if c.Name.Equal(n) {
			return &emit.Key{Name: c.Name, Algorithm: c.Algorithm.String()}
		}
	}
	return nil
}

// of returns the key of a zone. It notes the zones that a neighbour with that key could
// neither transfer nor update, wherever it is.
func (k *emitKeys) of(z emitZone, role emit.Role) *emit.Key {
	var names []dname.Name // of the keys in the zone's list, nil for an entry without one
	switch role {
	case emit.Secondary:
		for _, p := range z.item.Transfer.Allow {
			names = append(names, p.Key)
		}
	case emit.Updater:
		for _, r := range z.item.Update.Rules {
			names = append(names, r.Key)
		}
	case emit.Resolver:
		return nil
	}
	key, open := k.key, false
	for _, n := range names {
		if n != nil && !k.chosen && key == nil {
			key = k.named(n)
		}
		open = open || n == nil || key != nil && n.Equal(key.Name)
	}
	if !open {
		k.closed = append(k.closed, z.apex)
	}
	return key
}

// emitZones returns the zones of the configuration that the arguments name, in the
// order of the file; all without arguments.
func emitZones(cfg *config.Config, args []string) ([]emitZone, error) {
	wanted := make([]func(*config.Zone, dname.Name) bool, len(args))
	for i, arg := range args {
		var err error
		if wanted[i], err = emitWanted(cfg, arg); err != nil {
			return nil, err
		}
	}
	used := make([]bool, len(args))
	var list []emitZone
	for i := range cfg.Zones {
		z := &cfg.Zones[i]
		for _, apex := range z.Apexes {
			take := len(args) == 0
			for k, is := range wanted {
				if is(z, apex) {
					take, used[k] = true, true
				}
			}
			if take {
				list = append(list, emitZone{z, apex})
			}
		}
	}
	if k := slices.Index(used, false); k >= 0 {
		return nil, fmt.Errorf("no zone of the configuration is %s, or a part of it, or holds it; name what is under `zones`", args[k])
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("the configuration has no zone; list one under `zones`")
	}
	return list, nil
}

// emitWanted reads one argument: it returns whether an apex of a zone is meant by it.
func emitWanted(cfg *config.Config, arg string) (func(*config.Zone, dname.Name) bool, error) {
	if a, err := netip.ParseAddr(arg); err == nil {
		best := -1 // the zone that is asked for an address is the one of the longest prefix
		for i := range cfg.Zones {
			if z := &cfg.Zones[i]; z.Prefix.IsValid() && z.Prefix.Contains(a) && z.Prefix.Bits() > best {
				best = z.Prefix.Bits()
			}
		}
		return func(z *config.Zone, apex dname.Name) bool {
			_, at, ok := z.Owner(a)
			return ok && z.Prefix.Bits() == best && apex.Equal(at)
		}, nil
	}
	if p, err := netip.ParsePrefix(arg); err == nil {
		if p != p.Masked() {
			return nil, usagef("prefix %v has bits set behind its length; write %v", p, p.Masked())
		}
		return func(z *config.Zone, apex dname.Name) bool {
			part := apexPrefix(z, apex)
			return part.IsValid() && p.Bits() <= part.Bits() && p.Contains(part.Addr())
		}, nil
	}
	n, err := dname.Parse(arg)
	if err != nil {
		return nil, usagef("%q is no zone, no prefix and no address: %v", arg, err)
	}
	return func(_ *config.Zone, apex dname.Name) bool { return apex.Equal(n) }, nil
}

// apexPrefix returns the prefix of one zone of an item.
func apexPrefix(z *config.Zone, apex dname.Name) netip.Prefix {
	if len(z.Apexes) > 1 {
		p, _ := dname.ToPrefix(apex) // as several have
		return p
	}
	return z.Prefix
}
