# Runs docs/route53-mail.sh in a network and mount namespace of its own and asks for the names by
# getent, through unbound. Arguments: ptrd, the script, unbound.
set -eu
if [ "${PTRD_LAB_DNS:-}" = "" ]; then
	ip link set lo up
	exec "$1" lab --dns 127.0.0.1:5353 -- sh "$0" "$@"
fi
sh "$2"
cat >unbound.conf <<EOF
server:
	username: ""
	chroot: ""
	directory: "$PWD"
	pidfile: ""
	use-syslog: no
	interface: 127.0.0.1
	do-not-query-localhost: no
	module-config: "iterator"
	local-zone: "8.b.d.0.1.0.0.2.ip6.arpa." nodefault
stub-zone:
	name: "4.3.2.1.in-addr.arpa."
	stub-addr: 127.0.0.1@5353
stub-zone:
	name: "8.b.d.0.1.0.0.2.ip6.arpa."
	stub-addr: 127.0.0.1@5353
EOF
"$3" -d -c unbound.conf >unbound.log 2>&1 &
unbound=$!
trap 'kill $unbound' EXIT
echo 'nameserver 127.0.0.1' >resolv.conf
echo 'hosts: dns' >nsswitch.conf
mount --bind resolv.conf /etc/resolv.conf
mount --bind nsswitch.conf /etc/nsswitch.conf
for try in $(seq 600); do
	if dig +time=1 +tries=1 @127.0.0.1 . NS >/dev/null; then break; fi
	sleep 0.1
done
# A resolver that had no response in its time has no name.
name() {
	for try in $(seq 60); do
		if getent hosts "$1"; then return; fi
		sleep 1
	done
	cat unbound.log
	return 1
}
name 1.2.3.4
name 2001:db8::25
# The slips that are often copied.
for slip in '8.b.d.0.1.0.0.2.ip6.arp'; do
	aws --endpoint-url "$PTRD_LAB_ENDPOINT" route53 create-hosted-zone --name $slip --caller-reference slip 2>&1 && exit 1
done
id=$(aws --endpoint-url "$PTRD_LAB_ENDPOINT" --output text route53 list-hosted-zones --query 'HostedZones[0].Id')
aws --endpoint-url "$PTRD_LAB_ENDPOINT" route53 change-resource-record-sets --hosted-zone-id "$id" --change-batch '{"Changes": [{"Action": "CREATE", "ResourceRecordSet": {"Name": "4.3.2.1.in-addr.arpa", "Type": "RDP", "TTL": 300, "ResourceRecords": [{"Value": "mail.example.com"}]}}]}' 2>&1 && exit 1
exit 0
