package netlab

// rejectedConfig is the customer's in the scenario "rejected".
const rejectedConfig = `state_dir: state
defaults:
  nameservers: [ns1.customer.example, ns2.customer.example]
  transfer:
    allow: [11.6.0.53, "2e00:6::53"]
    notify: ["11.6.0.53:53"]
zones:
  - prefix: 11.4.7.0/24
    file: 7.4.11.in-addr.arpa.zone
  - prefix: 2e00:7::/32
    ptr:
      2e00:7::26: mail.customer.example
      2e00:7::53: ns1.customer.example
`

// Rejected returns the scenario of docs/rejected-mail.md. The host "mail" sends mail of a
// customer, who moved it to new addresses, and of an office.
func Rejected(provider string) *Scenario {
	s := Base(provider)
	s.Hosts = append(s.Hosts, Host{Name: "mail", About: "sends mail, which is rejected", Names: []Name{
		{About: "of customer.example", Addrs: parseAddrs("11.4.7.26", "2e00:7::26")},
		{About: "of office.example, in the provider's zone", Addrs: parseAddrs("11.4.8.25")},
	}})
	s.addReceivers(Receivers)
	if h, err := s.host("ns1"); err == nil {
		h.Config = rejectedConfig
	}
	s.enclosing("7.4.11.in-addr.arpa.", false).Records = "25 PTR mail.customer.example.\n26 PTR old.customer.example.\n"
	customer := s.enclosing("customer.example.", false)
	customer.Records = replaceRecords(customer.Records, "mail A 11.4.7.26\n@ TXT \"v=spf1 ip4:11.4.7.25 ip6:2e00:7::26 -all\"\n")
	s.Zones = append(s.Zones, Zone{Apex: "office.example.", Hosts: customer.Hosts, NS: customer.NS,
		Records: "mail A 11.4.8.24\n@ MX 10 mail\n@ TXT \"v=spf1 a:mail.office.example -all\"\n"})
	return s
}
