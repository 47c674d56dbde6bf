package emit

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/ptrd/ptrd/internal/config"
	"github.com/ptrd/ptrd/internal/naming"
	"github.com/ptrd/ptrd/zone/dname"
)

// Request is what an operator asks for.
type Request struct {
	Config  *config.Config
	Zones   []string // names, prefixes or addresses; none: all zones
	Servers []string // addresses of ptrd, perhaps with a port; none: listen.dns
	Key     *string  // name of the key of the other server, "" for none; nil: the first one that the zone allows
}

// ArgumentError is a request that no configuration can fulfil.
type ArgumentError struct{ text string }

func (e *ArgumentError) Error() string { return e.text }

func argumentf(format string, args ...any) error {
	return &ArgumentError{fmt.Sprintf(format, args...)}
}

// Resolve fills in the zones and servers of o, which has a role. It returns the zones that the
// other server may not transfer or update.
func (o *Options) Resolve(r Request) (closed []dname.Name, err error) {
	list, err := zones(r.Config, r.Zones)
	if err != nil {
		return nil, err
	}
	if o.Servers, err = servers(r.Config, r.Servers); err != nil {
		return nil, err
	}
	if o.Role == Updater && len(r.Zones) == 0 {
		list = slices.DeleteFunc(list, func(z source) bool { return len(z.item.Update.Rules) == 0 })
		if len(list) == 0 {
			return nil, fmt.Errorf("no zone of the configuration has `update`; add it with the key or address of the DHCP server")
		}
	}
	keys := keyChoice{cfg: r.Config}
	if r.Key != nil {
		if err := keys.choose(*r.Key); err != nil {
			return nil, err
		}
	}
	for _, z := range list {
		o.Zones = append(o.Zones, Zone{Apex: z.apex, Prefix: apexPrefix(z.item, z.apex), Key: keys.of(z, o.Role)})
	}
	if o.Role == Secondary {
		o.RangeKeys = keys.ofRanges(list)
	}
	return keys.closed, nil
}

// source is a zone of the configuration.
type source struct {
	item *config.Zone
	apex dname.Name
}

// servers returns the addresses of ptrd for the other server: those given, or else those
// of listen.dns, without loopback addresses if there are others.
func servers(cfg *config.Config, given []string) ([]netip.AddrPort, error) {
	var list []netip.AddrPort
	for _, s := range given {
		ap, err := naming.ParseServer(s, 53)
		if err != nil {
			return nil, argumentf("--server %v", err)
		}
		if ap.Addr().IsUnspecified() {
			return nil, argumentf("--server %q is not a specific address; give the one of ptrd", s)
		}
		list = append(list, ap)
	}
	if list != nil {
		return list, nil
	}
	loopback := true
	for _, ap := range cfg.Listen.DNS {
		if ap.Addr().IsUnspecified() || ap.Port() == 0 {
			return nil, argumentf("listen.dns has %v, which is not a specific address and port; give those of ptrd by --server", ap)
		}
		loopback = loopback && ap.Addr().IsLoopback()
		list = append(list, ap)
	}
	if !loopback {
		list = slices.DeleteFunc(list, func(ap netip.AddrPort) bool { return ap.Addr().IsLoopback() })
	}
	if len(list) == 0 {
		return nil, argumentf("listen.dns is empty; give the address of ptrd by --server")
	}
	return list, nil
}

// keyChoice finds the key that the other server signs with.
type keyChoice struct {
	cfg    *config.Config
	chosen bool // key is used for all zones
	key    *Key // nil: none
	closed []dname.Name
}

// choose sets the key for all zones; an empty name means none.
func (k *keyChoice) choose(name string) error {
	k.chosen = true
	if name == "" {
		return nil
	}
	n, err := dname.Parse(name)
	if err != nil {
		return argumentf("--key %q is not a key name: %v", name, err)
	}
	if k.key = k.named(n); k.key == nil {
		return fmt.Errorf("key %v is not under `keys` of the configuration; create it by `ptrd key generate %[1]v`", n)
	}
	return nil
}

func (k *keyChoice) named(n dname.Name) *Key {
	for _, c := range k.cfg.Keys {
		if c.Name.Equal(n) {
			return &Key{Name: c.Name, Algorithm: c.Algorithm.String()}
		}
	}
	return nil
}

// of returns the key of a zone. It records the zones that no client with this key could
// transfer or update.
func (k *keyChoice) of(z source, role Role) *Key {
	var names []dname.Name // of the keys in the zone's list, nil for an entry without one
	switch role {
	case Secondary:
		for _, p := range z.item.Transfer.Allow {
			names = append(names, p.Key)
		}
	case Updater:
		for _, r := range z.item.Update.Rules {
			names = append(names, r.Key)
		}
	case Resolver:
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

// ofRanges returns the keys of the names of ranges that zones of the list transfer as rules, those of
// addresses and those of names.
func (k *keyChoice) ofRanges(list []source) (keys []*Key) {
	withRules := map[string]bool{} // by dname.Name.Key
	for _, z := range list {
		withRules[z.apex.Key()] = withRules[z.apex.Key()] || z.item.SynthTransfer == config.TransferRule
	}
	for i := range k.cfg.Zones {
		z := &k.cfg.Zones[i]
		for _, s := range z.Synth {
			if s.Key == "" {
				continue
			}
			isListed := slices.ContainsFunc(z.Apexes, func(n dname.Name) bool { return withRules[n.Key()] })
			for n := s.Template.Base(); !n.IsRoot(); n = n.Parent() {
				isListed = isListed || withRules[n.Key()]
			}
			if isListed {
				keys = appendKey(keys, k.named(dname.MustParse(s.Key)))
			}
		}
	}
	return keys
}

// zones returns the zones of the configuration that the arguments select, in the order of
// the file; without arguments, all zones.
func zones(cfg *config.Config, args []string) ([]source, error) {
	wanted := make([]func(*config.Zone, dname.Name) bool, len(args))
	for i, arg := range args {
		var err error
		if wanted[i], err = selects(cfg, arg); err != nil {
			return nil, err
		}
	}
	used := make([]bool, len(args))
	var list []source
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
				list = append(list, source{z, apex})
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

// selects returns a function that reports whether an argument selects an apex of a zone: of an
// address or a prefix, the zones in it, or else the one with the longest prefix around it.
func selects(cfg *config.Config, what string) (func(*config.Zone, dname.Name) bool, error) {
	arg, err := naming.ParseArgument(what)
	if err != nil {
		return nil, argumentf("%v", err)
	}
	p := arg.Prefix
	switch {
	case arg.Name != nil:
		return func(_ *config.Zone, apex dname.Name) bool { return apex.Equal(arg.Name) }, nil
	case arg.Address.IsValid():
		p = netip.PrefixFrom(arg.Address, arg.Address.BitLen())
	}
	shortest := -1
	for i := range cfg.Zones {
		for _, apex := range cfg.Zones[i].Apexes {
			if part := apexPrefix(&cfg.Zones[i], apex); part.IsValid() && part.Overlaps(p) {
				shortest = max(shortest, min(part.Bits(), p.Bits()))
			}
		}
	}
	return func(z *config.Zone, apex dname.Name) bool {
		part := apexPrefix(z, apex)
		return part.IsValid() && part.Overlaps(p) && part.Bits() >= shortest
	}, nil
}

// apexPrefix returns the prefix of one zone of an item.
func apexPrefix(z *config.Zone, apex dname.Name) netip.Prefix {
	if len(z.Apexes) > 1 {
		p, _ := dname.ToPrefix(apex) // several apexes are on boundaries
		return p
	}
	return z.Prefix
}
