package netlab

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/ptrd/ptrd/internal/peertest"
)

// The mail servers reject mail as the documentation of each shows for servers that look at
// names, and accept it for receiver.example, where it is thrown away.

// mailUsers are the users and groups of mail servers, which only the hosts have where they run.
var mailUsers = map[string]string{
	"/etc/passwd": `root:x:0:0:root:/root:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
postfix:x:901:901::/nonexistent:/usr/sbin/nologin
Debian-exim:x:902:902::/nonexistent:/usr/sbin/nologin
opensmtpd:x:903:903::/nonexistent:/usr/sbin/nologin
opensmtpq:x:904:904::/nonexistent:/usr/sbin/nologin
`,
	"/etc/group": `root:x:0:
nogroup:x:65534:
postfix:x:901:
postdrop:x:905:
Debian-exim:x:902:
opensmtpd:x:903:
opensmtpq:x:904:
`,
}

// mailName returns the host name of a mail server.
func mailName(h *Host) string { return strings.TrimSuffix(h.Names[0].Name, ".") }

func configurePostfix(_ *Scenario, h *Host, dir string) (map[string]string, []string) {
	path, _ := peertest.Find("postfix")
	root := peertest.Root(path)
	return map[string]string{
			"main.cf": fmt.Sprintf(`compatibility_level = 3.6
maillog_file = /dev/stdout
myhostname = %[3]s
mydestination =
relay_domains = receiver.example
relay_transport = discard:
queue_directory = %[1]s/queue
data_directory = %[1]s/data
daemon_directory = %[2]s/usr/lib/postfix/sbin
command_directory = %[2]s/usr/sbin
import_environment = MAIL_CONFIG LD_LIBRARY_PATH
alias_maps =
smtpd_tls_security_level = none
smtpd_client_event_limit_exceptions = static:all
smtpd_helo_required = yes
smtpd_client_restrictions = reject_unknown_reverse_client_hostname, reject_unknown_client_hostname
smtpd_helo_restrictions = reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname, reject_unknown_helo_hostname
smtpd_sender_restrictions = reject_non_fqdn_sender, reject_unknown_sender_domain
smtpd_relay_restrictions = reject_unauth_destination
`, dir, filepath.Clean(root), mailName(h)),
			"master.cf": `smtp inet n - n - 200 smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
error unix - - n - - error
discard unix - - n - - discard
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
`},
		[]string{"-c", dir, "-d"}
}

// setupPostfix makes the directories that package scripts make otherwise.
const setupPostfix = `install -d queue queue/pid
install -d -o postfix -m 700 data queue/active queue/bounce queue/defer queue/deferred queue/flush queue/hold queue/incoming queue/private
install -d -o postfix -g postdrop -m 730 queue/maildrop
install -d -o postfix -g postdrop -m 710 queue/public
`

func configureExim(_ *Scenario, h *Host, dir string) (map[string]string, []string) {
	return map[string]string{"exim.conf": fmt.Sprintf(`primary_hostname = %[2]s
exim_user = Debian-exim
exim_group = Debian-exim
spool_directory = %[1]s/spool
log_file_path = %[1]s/spool/%%slog
pid_file_path = %[1]s/exim.pid
domainlist local_domains = receiver.example
tls_advertise_hosts =
rfc1413_hosts =
smtp_accept_max = 200
helo_try_verify_hosts = *
host_lookup = *
acl_smtp_rcpt = rcpt
acl_smtp_data = data

begin acl
rcpt:
	deny message = reverse DNS lookup failed
		!verify = reverse_host_lookup
	deny message = HELO name is not that of the host
		!verify = helo
	deny message = sender domain cannot be verified
		!verify = sender
	defer message = temporary error of SPF
		spf = temperror
	deny message = SPF: $spf_smtp_comment
		spf = fail : permerror
	require domains = +local_domains
	accept
data:
	discard

begin routers
dns:
	driver = dnslookup
	domains = ! +local_domains
	transport = none
	no_more

begin transports
none:
	driver = smtp
`, dir, mailName(h))}, []string{"-C", filepath.Join(dir, "exim.conf"), "-bdf", "-oX", "25"}
}

const setupExim = "install -d -o Debian-exim -g Debian-exim spool\n"

func configureOpenSMTPD(_ *Scenario, h *Host, dir string) (map[string]string, []string) {
	return map[string]string{"smtpd.conf": fmt.Sprintf(`table dot { "[.]" }
filter check_rdns phase connect match !rdns disconnect "550 5.7.25 no reverse DNS"
filter check_fcrdns phase connect match !fcrdns disconnect "550 5.7.25 reverse DNS does not lead back"
filter check_helo phase helo match !helo regex <dot> reject "504 5.5.2 HELO name is not fully qualified"
filter check_ehlo phase ehlo match !helo regex <dot> reject "504 5.5.2 HELO name is not fully qualified"
filter names chain { check_rdns, check_fcrdns, check_helo, check_ehlo }
%[1]saction discard mda "cat >/dev/null" user nobody virtual { "@" = nobody }
match from any for domain receiver.example action discard
`, each(h.Addrs(), "listen on %s hostname "+mailName(h)+" filter names\n"))},
		[]string{"-d", "-f", filepath.Join(dir, "smtpd.conf")}
}

const setupOpenSMTPD = "mkdir -p /var/lib/opensmtpd/empty\ninstall -d -m 711 /var/spool/smtpd\n"

// mailResolver makes mail servers give up a name that the resolver does not find soon. It is
// less than they wait otherwise, and more than the resolver needs for what servers answer.
const mailResolver = "options timeout:4 attempts:1\n"
