# Takes hosted zones through their life by the AWS CLI, unmodified.
set -eu
aws() { command "${AWS:-aws}" --endpoint-url "$PTRD_LAB_ENDPOINT" --output json route53 "$@"; }
json() { python3 -c "import json,sys; d = json.load(sys.stdin); $1"; }
question() { dig "@$PTRD_LAB_DNS_HOST" -p "$PTRD_LAB_DNS_PORT" +short "$@"; }
count=$(json 'print(len(d))' <"$1")
for i in $(seq 0 $((count - 1))); do
	name=$(json "print(d[$i]['Name'])" <"$1")
	id=$(aws create-hosted-zone --name "$name" --caller-reference "cli $i" | json "print(d['HostedZone']['Id'])")
	json "print(json.dumps({'Changes': [{'Action': 'UPSERT', 'ResourceRecordSet': {'Name': r['Name'], 'Type': r['Type'], 'TTL': r['TTL'], 'ResourceRecords': [{'Value': v} for v in r['Values']]}} for r in d[$i]['Records']]}))" <"$1" >batch.json
	change=$(aws change-resource-record-sets --hosted-zone-id "$id" --change-batch file://batch.json | json "print(d['ChangeInfo']['Id'])")
	aws wait resource-record-sets-changed --id "$change"
	json "[print(r['Name'].replace('*', 'w').replace(chr(92) + '057', '/'), r['Type']) for r in d[$i]['Records']]" <"$1" | while read -r owner type; do
		test -n "$(question "$owner" "$type")" || { echo "$owner $type: no answer" >&2; exit 1; }
	done
	aws list-resource-record-sets --hosted-zone-id "$id" --page-size 2 >sets.json
	json "n = len(d['ResourceRecordSets']); assert n == $(json "print(len(d[$i]['Records']))" <"$1") + 2, n" <sets.json
	json "print(json.dumps({'Changes': [{'Action': 'DELETE', 'ResourceRecordSet': s} for s in d['ResourceRecordSets'] if s['Type'] != 'SOA' and s['Type'] != 'NS']}))" <sets.json >batch.json
	aws change-resource-record-sets --hosted-zone-id "$id" --change-batch file://batch.json >/dev/null
	aws delete-hosted-zone --id "$id" >/dev/null
done
