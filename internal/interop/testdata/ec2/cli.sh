#!/bin/sh
# The aws CLI; AWS is the program. It carries out the commands on its input, one a line, and
# answers each with a line, as do the other clients here.
set -u

r53() { "$AWS" --endpoint-url "$ROUTE53" --output text route53 "$@" 2>error </dev/null; }
ec2() { "$AWS" --endpoint-url "$EC2" --output text ec2 "$@" 2>error </dev/null; }

# answer prints what a command printed, or why it was refused.
answer() { # STATUS TEXT
	if [ "$1" = 0 ]; then
		echo ok $2 # in words
	else
		sed -n 's/^An error occurred (\([^)]*\)).*/refused \1/p; t; s/^..*/failed &/p' error | head -n 1
	fi
}

ptr() { # WORDS of the PTR, of the status of its update
	for word; do case $word in None) printf '%s ' - ;; *) printf '%s ' "$word" ;; esac; done
}

while read -r command a b c; do
	case $command in
	zone) text=$(r53 create-hosted-zone --name "$a" --caller-reference "$a" --query HostedZone.Id) ;;
	address) text=$(r53 change-resource-record-sets --hosted-zone-id "$a" --query ChangeInfo.Status --change-batch \
		"{\"Changes\": [{\"Action\": \"UPSERT\", \"ResourceRecordSet\": {\"Name\": \"$b\", \"Type\": \"A\", \"TTL\": 60, \"ResourceRecords\": [{\"Value\": \"$c\"}]}}]}") ;;
	allocate) text=$(ec2 allocate-address --domain vpc --query '[AllocationId, PublicIp]') ;;
	addresses) text=$(ec2 describe-addresses --query 'length(Addresses)') ;;
	modify) text=$(ec2 modify-address-attribute --allocation-id "$a" --domain-name "$b" --query 'Address.[PtrRecord, PtrRecordUpdate.Status]') ;;
	attribute) text=$(ec2 describe-addresses-attribute --attribute domain-name --allocation-ids "$a" --query 'Addresses[].[PtrRecord, PtrRecordUpdate.Status]') ;;
	reset) text=$(ec2 reset-address-attribute --allocation-id "$a" --attribute domain-name --query 'Address.[PtrRecord, PtrRecordUpdate.Status]') ;;
	release) text=$(ec2 release-address --allocation-id "$a") ;;
	*) text='' && false ;;
	esac
	status=$?
	case $command in
	modify | attribute | reset) text=$(ptr $text) ;;
	release) text='' ;;
	esac
	answer $status "$text"
done
