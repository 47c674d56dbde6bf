"""Takes hosted zones through their life by boto3, unmodified."""
import json, os, subprocess, sys
import boto3, botocore.exceptions

client = boto3.client("route53", endpoint_url=os.environ["PTRD_LAB_ENDPOINT"])


def dig(name, kind):
    name = name.replace("*", "w").replace("\\057", "/")
    return subprocess.run(
        ["dig", "@" + os.environ["PTRD_LAB_DNS_HOST"], "-p", os.environ["PTRD_LAB_DNS_PORT"], "+short", name, kind],
        check=True, capture_output=True, text=True).stdout.split("\n")[:-1]


def plain(value):
    return value.lower().replace('"', "").rstrip(".").split()[-1]


for zone in json.load(open(sys.argv[1])):
    made = client.create_hosted_zone(Name=zone["Name"], CallerReference="boto3 " + zone["Name"], HostedZoneConfig={"Comment": "a & b"})
    zone_id = made["HostedZone"]["Id"]
    try:
        client.create_hosted_zone(Name=zone["Name"], CallerReference="boto3 " + zone["Name"])
        sys.exit("the same CallerReference again is accepted")
    except client.exceptions.HostedZoneAlreadyExists:
        pass
    changes = [{"Action": "CREATE", "ResourceRecordSet": {
        "Name": r["Name"], "Type": r["Type"], "TTL": r["TTL"], "ResourceRecords": [{"Value": v} for v in r["Values"]]}} for r in zone["Records"]]
    info = client.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": changes})["ChangeInfo"]
    client.get_waiter("resource_record_sets_changed").wait(Id=info["Id"])
    try:
        client.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": changes})
        sys.exit("records are created twice")
    except botocore.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == "InvalidChangeBatch" and "already exists" in e.response["Error"]["Message"], e
    for r in zone["Records"]:
        got = dig(r["Name"], r["Type"])
        want = sorted(plain(v) for v in r["Values"])
        assert sorted(plain(v) for v in got[: len(want)]) == want or r["Type"] == "AAAA" and got, (r, got)
    sets = []
    for page in client.get_paginator("list_resource_record_sets").paginate(HostedZoneId=zone_id, PaginationConfig={"PageSize": 2}):
        sets += page["ResourceRecordSets"]
    listed = [v["Value"] for s in sets for v in s["ResourceRecords"]]
    assert all(v in listed for r in zone["Records"] for v in r["Values"]), listed
    client.change_resource_record_sets(HostedZoneId=zone_id, ChangeBatch={"Changes": [
        {"Action": "DELETE", "ResourceRecordSet": s} for s in sets
        if not (s["Type"] == "SOA" or s["Type"] == "NS" and s["Name"] == made["HostedZone"]["Name"])]})
    for r in zone["Records"]:
        assert dig(r["Name"], r["Type"]) == [], r
    client.delete_hosted_zone(Id=zone_id)
assert client.get_hosted_zone_count()["HostedZoneCount"] == 0
