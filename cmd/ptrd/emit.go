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
		Short: "Print the configuration of another program for use with ptrd",
		Long: `emit prints the configuration that a secondary, a resolver or a DHCP server needs for the
zones of ptrd: all of them, or those given by apex, by a prefix that contains them, or by an
address in them.

Comments at its start name the file that it belongs into and what else is needed. TSIG keys
appear by name; their secrets belong into a separate file.`,
		Args: noSuchSubcommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.SuggestionsMinimumDistance = 2
	for _, t := range emit.Targets() {
		cmd.AddCommand(newEmitTarget(g, &t))
	}
	return cmd
}

// emitUses describes the roles in the help.
var emitUses = map[emit.Role]string{
	emit.Secondary: "as a secondary, which transfers the zones and serves them",
	emit.Resolver:  "as a resolver, which queries ptrd for names in the zones",
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
					return fmt.Errorf("no zone of the configuration has `update`; add it with the key or address of the DHCP server")
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
				fmt.Fprintf(cmd.ErrOrStderr(), "%s: no entry allows %s of %s; add the address or the key of the other server to `%s`\n", t.Name, what, shortList(keys.closed), where)
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
	f.StringArrayVar(&servers, "server", nil, "`ADDRESS[:PORT]` of ptrd for the other server; may be repeated (default listen.dns)")
	if t.Roles[0] != emit.Resolver {
		f.StringVar(&key, "key", "", "`NAME` of the TSIG key of the other server; empty: none (default: the first key that the zone allows)")
	}
	if t.KeyFile != "" {
		f.StringVar(&o.KeyFile, "key-file", t.KeyFile, "`FILE` of the other server with the TSIG keys")
	}
	if t.HasFiles {
		f.StringVar(&o.Directory, "directory", t.Directory, "`DIRECTORY` of the other server for zone files (default: its own default)")
	}
	if t.HasLink {
		f.StringVar(&o.Link, "link", "", "print a drop-in for the network configuration of the `INTERFACE` to ptrd")
	}
	if slices.Contains(t.Roles, emit.Resolver) {
		f.BoolVar(&o.Unsigned, "unsigned", false, "no parent zone has DS records for the zones: a validating resolver accepts them unsigned")
		if len(t.Roles) > 1 {
			f.BoolVar(&resolver, "resolver", false, t.Program+" "+emitUses[emit.Resolver])
		}
	}
	return cmd
}

// emitServers returns the addresses of ptrd for the other server: those given, or else those
// of listen.dns, without loopback addresses if there are others.
func emitServers(cfg *config.Config, given []string) ([]netip.AddrPort, error) {
	var list []netip.AddrPort
	for _, s := range given {
		ap, err := netip.ParseAddrPort(s)
		if err != nil {
			a, err := netip.ParseAddr(strings.Trim(s, "[]"))
			if err != nil {
				return nil, usagef("--server %q is not an address; write one such as 192.0.2.53, 192.0.2.53:5300 or [2001:db8::53]:5300", s)
			}
			ap = netip.AddrPortFrom(a, 53)
		}
		if ap.Addr().IsUnspecified() || ap.Port() == 0 {
			return nil, usagef("--server %q is not a specific address and port; give those of ptrd", s)
		}
		list = append(list, ap)
	}
	if list != nil {
		return list, nil
	}
	loopback := true
	for _, ap := range cfg.Listen.DNS {
		if ap.Addr().IsUnspecified() || ap.Port() == 0 {
			return nil, usagef("listen.dns has %v, which is not a specific address and port; give those of ptrd by --server", ap)
		}
		loopback = loopback && ap.Addr().IsLoopback()
		list = append(list, ap)
	}
	if !loopback {
		list = slices.DeleteFunc(list, func(ap netip.AddrPort) bool { return ap.Addr().IsLoopback() })
	}
	if len(list) == 0 {
		return nil, usagef("listen.dns is empty; give the address of ptrd by --server")
	}
	return list, nil
}

// emitZone is a zone of the configuration.
type emitZone struct {
	item *config.Zone
	apex dname.Name
}

// emitKeys finds the key that the other server signs with.
type emitKeys struct {
	cfg    *config.Config
	chosen bool      // key is used for all zones
	key    *emit.Key // nil: none
	closed []dname.Name
}

// choose sets the key for all zones; an empty name means none.
func (k *emitKeys) choose(name string) error {
	k.chosen = true
	if name == "" {
		return nil
	}
	n, err := dname.Parse(name)
	if err != nil {
		return usagef("--key %q is not a key name: %v", name, err)
	}
	if k.key = k.named(n); k.key == nil {
		return fmt.Errorf("key %v is not under `keys` of the configuration; create it by `ptrd key generate %[1]v`", n)
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

// of returns the key of a zone. It records the zones that no client with this key could
// transfer or update.
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

// emitZones returns the zones of the configuration that the arguments select, in the order of
// the file; without arguments, all zones.
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
			selected := len(args) == 0
			for k, is := range wanted {
				if is(z, apex) {
					selected, used[k] = true, true
				}
			}
			if selected {
				list = append(list, emitZone{z, apex})
			}
		}
	}
	if k := slices.Index(used, false); k >= 0 {
		return nil, fmt.Errorf("no zone of the configuration is %s, is in it, or contains it; give a zone of `zones`", args[k])
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("the configuration has no zone; add one under `zones`")
	}
	return list, nil
}

// emitWanted returns a function that reports whether an argument selects an apex of a zone.
func emitWanted(cfg *config.Config, arg string) (func(*config.Zone, dname.Name) bool, error) {
	if a, err := netip.ParseAddr(arg); err == nil {
		best := -1 // the zone with the longest prefix answers for an address
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
			return nil, usagef("prefix %v has host bits; write %v", p, p.Masked())
		}
		return func(z *config.Zone, apex dname.Name) bool {
			part := apexPrefix(z, apex)
			return part.IsValid() && p.Bits() <= part.Bits() && p.Contains(part.Addr())
		}, nil
	}
	n, err := dname.Parse(arg)
	if err != nil {
		return nil, usagef("%q is not a zone, a prefix or an address: %v", arg, err)
	}
	return func(_ *config.Zone, apex dname.Name) bool { return apex.Equal(n) }, nil
}

// apexPrefix returns the prefix of one zone of an item.
func apexPrefix(z *config.Zone, apex dname.Name) netip.Prefix {
	if len(z.Apexes) > 1 {
		p, _ := dname.ToPrefix(apex) // several apexes are on boundaries
		return p
	}
	return z.Prefix
}
