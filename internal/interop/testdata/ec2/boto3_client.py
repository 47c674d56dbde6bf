# boto3.
import os
import sys

import boto3
import botocore.exceptions

route53 = boto3.client("route53", endpoint_url=os.environ["ROUTE53"])
ec2 = boto3.client("ec2", endpoint_url=os.environ["EC2"])


def ptr(address):
    return [address.get("PtrRecord", "-"), address.get("PtrRecordUpdate", {}).get("Status", "-")]


def address(zone, name, ip):
    record = {"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": ip}]}
    change = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
    return [route53.change_resource_record_sets(HostedZoneId=zone, ChangeBatch=change)["ChangeInfo"]["Status"]]


def allocate():
    a = ec2.allocate_address(Domain="vpc")
    return [a["AllocationId"], a["PublicIp"]]


def attribute(allocation):
    pages = ec2.get_paginator("describe_addresses_attribute").paginate(AllocationIds=[allocation], Attribute="domain-name")
    return [word for page in pages for a in page["Addresses"] for word in ptr(a)]


def release(allocation):
    ec2.release_address(AllocationId=allocation)
    return []


commands = {
    "zone": lambda name: [route53.create_hosted_zone(Name=name, CallerReference=name)["HostedZone"]["Id"]],
    "address": address,
    "allocate": allocate,
    "addresses": lambda: [len(ec2.describe_addresses()["Addresses"])],
    "modify": lambda allocation, name: ptr(ec2.modify_address_attribute(AllocationId=allocation, DomainName=name)["Address"]),
    "attribute": attribute,
    "reset": lambda allocation: ptr(ec2.reset_address_attribute(AllocationId=allocation, Attribute="domain-name")["Address"]),
    "release": release,
}

for line in sys.stdin:
    command, *words = line.split()
    try:
        print("ok", *commands[command](*words), flush=True)
    except botocore.exceptions.ClientError as e:
        print("refused", e.response["Error"]["Code"], flush=True)
