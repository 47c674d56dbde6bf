#!/bin/sh
# The aws CLI; AWS is the program. "create" makes the zones of zones.txt and prints their records,
# "delete" deletes what it lists, as do the other clients here.
set -eu

r53() { "$AWS" --endpoint-url "$PTRD_LAB_ENDPOINT" route53 "$@"; }

create() { # ZONE FILE
	id=$(r53 create-hosted-zone --name "$1" --caller-reference "cli $1" --query HostedZone.Id --output text)
	change=$(r53 change-resource-record-sets --hosted-zone-id "$id" --change-batch "file://$2" --query ChangeInfo.Id --output text)
	r53 wait resource-record-sets-changed --id "$change"
	r53 list-resource-record-sets --hosted-zone-id "$id" --page-size 3 --output json
}

delete() { # ID NAME
	batch=$(mktemp -p .)
	r53 list-resource-record-sets --hosted-zone-id "$1" --page-size 3 --output json --query \
		"{Changes: ResourceRecordSets[?!(Name=='$2' && (Type=='SOA' || Type=='NS'))].{Action: 'DELETE', ResourceRecordSet: @}}" >"$batch"
	r53 change-resource-record-sets --hosted-zone-id "$1" --change-batch "file://$batch" >/dev/null
	r53 delete-hosted-zone --id "$1" >/dev/null
}

case $1 in
create)
	while read -r zone file; do create "$zone" "$file"; done <zones.txt
	;;
delete)
	r53 list-hosted-zones --page-size 1 --query 'HostedZones[].[Id, Name]' --output text >hosted.txt
	while read -r id name; do delete "$id" "$name"; done <hosted.txt
	;;
esac
