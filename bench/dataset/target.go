package dataset

import "fmt"

var (
	roles   = [...]string{"mail", "www", "ns1", "mx2", "gw", "vpn", "db-primary", "k8s-node", "cache", "smtp-out"}
	regions = [...]string{"eu-west", "us-east", "ap-south", "eu-central", "sa-east"}
)

// target returns the name that the address leads to: of the kinds that providers
// give, in parts that only their frequency in these sets decides. Many share their suffix.
func (a address) target() string {
	if a.made {
		return a.madeTarget()
	}
	h := hash(a.hi, a.lo, 2)
	role, region := roles[h>>8%10], regions[h>>12%5]
	kind := h % 100
	if a.v6 {
		switch {
		case kind < 50:
			return fmt.Sprintf("%s-%x.net%x.v6.example.net", role, a.lo&0xffff, a.hi&0xffffffff)
		case kind < 80:
			return fmt.Sprintf("host-%016x.%s.v6.example.com", a.lo, region)
		}
		return fmt.Sprintf("%s.cust%d.example.com", role, h>>16%50_000)
	}
	o := [4]uint64{a.lo >> 24 & 255, a.lo >> 16 & 255, a.lo >> 8 & 255, a.lo & 255}
	switch {
	case kind < 60:
		return fmt.Sprintf("ip-%d-%d-%d-%d.%s.compute.example.net", o[0], o[1], o[2], o[3], region)
	case kind < 80:
		return fmt.Sprintf("%d-%d-%d-%d.dyn.isp.example.com", o[3], o[2], o[1], o[0])
	case kind < 95:
		return fmt.Sprintf("%s.cust%d.example.com", role, h>>16%50_000)
	}
	return fmt.Sprintf("%s-%02d.rack%03d.%s.prod.datacenter.example.org", role, h>>16%100, h>>24%1000, region)
}

// madeTarget returns the name that a server makes.
func (a address) madeTarget() string {
	if !a.v6 {
		return fmt.Sprintf("dyn-%d-%d-%d-%d.example.net", a.lo>>24&255, a.lo>>16&255, a.lo>>8&255, a.lo&255)
	}
	name := "dyn"
	for i := range 8 {
		name += fmt.Sprintf("-%04x", []uint64{a.hi, a.lo}[i/4]>>(48-16*(i%4))&0xffff)
	}
	return name + ".example.net"
}

// renumbered returns the target in the changed copy of a set, for record i.
func (a address) renumbered(i int) string {
	if i%100 != 37 {
		return a.target()
	}
	return fmt.Sprintf("renumbered-%d.example.org", i)
}
