#!/bin/sh
# The reverse DNS of a mail server with hosted zones: the addresses 1.2.3.4 and 2001:db8::25 get
# the name mail.example.com. Run it as `ptrd lab -- sh docs/route53-mail.sh`, or with the variables
# of `ptrd lab` set.
set -eu
aws() { command aws --endpoint-url "$PTRD_LAB_ENDPOINT" --output text route53 "$@"; }

# 1. A public hosted zone for each reverse name that the owner of the addresses delegates: here one
#    for a single IPv4 address, and one for an IPv6 /32.
v4=$(aws create-hosted-zone --name 4.3.2.1.in-addr.arpa --caller-reference mail-v4 --query HostedZone.Id)
v6=$(aws create-hosted-zone --name 8.b.d.0.1.0.0.2.ip6.arpa --caller-reference mail-v6 --query HostedZone.Id)

# 2. The PTR records.
ptr() {
	aws change-resource-record-sets --hosted-zone-id "$1" --query ChangeInfo.Id --change-batch '{"Changes": [{"Action": "CREATE",
		"ResourceRecordSet": {"Name": "'"$2"'", "Type": "PTR", "TTL": 300, "ResourceRecords": [{"Value": "mail.example.com"}]}}]}'
}
for change in "$(ptr "$v4" 4.3.2.1.in-addr.arpa)" \
	"$(ptr "$v6" 5.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa)"; do
	aws wait resource-record-sets-changed --id "$change"
done

# 3. The names of the name servers, which the owner of the addresses has to delegate to.
for id in "$v4" "$v6"; do
	echo "send to the owner of the addresses: $(aws get-hosted-zone --id "$id" --query HostedZone.Name) NS $(aws get-hosted-zone --id "$id" --query 'DelegationSet.NameServers[]')"
done
