# boto3.
import json
import os
import sys

import boto3
import botocore.exceptions

client = boto3.client("route53", endpoint_url=os.environ["PTRD_LAB_ENDPOINT"])


def listed(zone):
    pages = list(client.get_paginator("list_resource_record_sets").paginate(
        HostedZoneId=zone, PaginationConfig={"PageSize": 3}))
    assert len(pages) > 1, pages
    return [s for p in pages for s in p["ResourceRecordSets"]]


def refused(code, text, call):
    try:
        call()
    except botocore.exceptions.ClientError as e:
        assert e.response["Error"]["Code"] == code and text in e.response["Error"]["Message"], e
    else:
        raise AssertionError("no " + code)


def create(name, path):
    with open(path) as f:
        batch = json.load(f)
    zone = client.create_hosted_zone(Name=name, CallerReference="boto3 " + name)["HostedZone"]["Id"]
    change = client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch)["ChangeInfo"]["Id"]
    refused("HostedZoneAlreadyExists", "already", lambda: client.create_hosted_zone(Name=name, CallerReference="boto3 " + name))
    refused("InvalidChangeBatch", "already exists", lambda: client.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=batch))
    client.get_waiter("resource_record_sets_changed").wait(Id=change)
    json.dump({"ResourceRecordSets": listed(zone)}, sys.stdout)


def delete(zone):
    changes = [{"Action": "DELETE", "ResourceRecordSet": s} for s in listed(zone["Id"])
               if not (s["Name"] == zone["Name"] and s["Type"] in ("SOA", "NS"))]
    client.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch={"Changes": changes})
    client.delete_hosted_zone(Id=zone["Id"])


if sys.argv[1] == "count":
    for _ in range(12):  # more than the server answers in a second
        client.get_hosted_zone_count()
elif sys.argv[1] == "create":
    with open("zones.txt") as f:
        for line in f:
            create(*line.split())
else:
    pages = client.get_paginator("list_hosted_zones").paginate(PaginationConfig={"PageSize": 1})
    for zone in [z for p in pages for z in p["HostedZones"]]:
        delete(zone)
    assert client.get_hosted_zone_count()["HostedZoneCount"] == 0
