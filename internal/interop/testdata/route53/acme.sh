# Gets certificates from pebble by the DNS-01 challenge, with a client that has no setting for the
# address of the API: it finds it by /etc/hosts and trusts the CA of the lab. Runs in a network and
# mount namespace of its own. Arguments: ptrd, pebble, the aws CLI, lego or certbot.
set -eu
if [ "${PTRD_LAB_DNS:-}" = "" ]; then
	ip link set lo up
	exec "$1" lab --state-dir lab --tls --api 127.0.0.1:443 --dns 127.0.0.1:53 --nameservers ns1.example.com -- sh "$0" "$@"
fi
echo 'nameserver 127.0.0.1' >resolv.conf
echo '127.0.0.1 localhost route53.amazonaws.com' >hosts
mount --bind resolv.conf /etc/resolv.conf
mount --bind hosts /etc/hosts
cat >pebble.json <<END
{"pebble": {"listenAddress": "127.0.0.1:14000", "certificate": "lab/cert.pem", "privateKey": "lab/key.pem"}}
END
# By default, it refuses one of 20 nonces that are good, and certbot tries twice only.
PEBBLE_VA_NOSLEEP=1 PEBBLE_WFE_NONCEREJECT=0 "$2" -config pebble.json -strict -dnsserver "$PTRD_LAB_DNS" >pebble.log 2>&1 &
pebble=$!
trap 'code=$?; kill $pebble; [ $code = 0 ] || cat pebble.log certbot/letsencrypt.log; exit $code' EXIT
for try in $(seq 600); do
	if grep -q 'Listening on' pebble.log; then break; fi
	sleep 0.1
done

aws=$3
r53() { "$aws" route53 "$@"; }
id=$(r53 create-hosted-zone --name example.com --caller-reference 1 --query HostedZone.Id --output text)
r53 change-resource-record-sets --hosted-zone-id "$id" --change-batch '{"Changes": [{"Action": "CREATE",
	"ResourceRecordSet": {"Name": "ns1.example.com", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": "127.0.0.1"}]}}]}' >change

# The name and the wildcard have their challenges at the same owner name.
case $4 in
*lego)
	AWS_POLLING_INTERVAL=1 LEGO_CA_CERTIFICATES=$PTRD_LAB_CA "$4" --accept-tos --email hostmaster@example.com \
		--server https://127.0.0.1:14000/dir --path "$PWD/lego" --dns route53 --dns.resolvers "$PTRD_LAB_DNS" \
		--domains example.com --domains '*.example.com' run
	certificate=lego/certificates/example.com.crt
	;;
*certbot)
	REQUESTS_CA_BUNDLE=$PTRD_LAB_CA "$4" certonly --non-interactive --agree-tos --email hostmaster@example.com \
		--server https://127.0.0.1:14000/dir --config-dir certbot --work-dir certbot --logs-dir certbot \
		--dns-route53 -d example.com -d '*.example.com'
	certificate=certbot/live/example.com/fullchain.pem
	;;
esac
cp "$certificate" certificate.pem
r53 list-resource-record-sets --hosted-zone-id "$id" --query 'ResourceRecordSets[].[Name, Type]' --output text >listed.txt
