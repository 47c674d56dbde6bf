// The AWS SDK for JavaScript, version 3.
'use strict';
const readline = require('node:readline');
const { Route53 } = require('@aws-sdk/client-route-53');
const { EC2, paginateDescribeAddressesAttribute } = require('@aws-sdk/client-ec2');

const route53 = new Route53({ endpoint: process.env.ROUTE53 });
const ec2 = new EC2({ endpoint: process.env.EC2 });

const ptr = (a) => [a.PtrRecord ?? '-', a.PtrRecordUpdate?.Status ?? '-'];

const commands = {
  async zone(name) {
    return [(await route53.createHostedZone({ Name: name, CallerReference: name })).HostedZone.Id];
  },
  async address(zone, name, ip) {
    const record = { Name: name, Type: 'A', TTL: 60, ResourceRecords: [{ Value: ip }] };
    const batch = { Changes: [{ Action: 'UPSERT', ResourceRecordSet: record }] };
    return [(await route53.changeResourceRecordSets({ HostedZoneId: zone, ChangeBatch: batch })).ChangeInfo.Status];
  },
  async allocate() {
    const a = await ec2.allocateAddress({ Domain: 'vpc' });
    return [a.AllocationId, a.PublicIp];
  },
  async addresses() {
    return [((await ec2.describeAddresses({})).Addresses ?? []).length];
  },
  async modify(id, name) {
    return ptr((await ec2.modifyAddressAttribute({ AllocationId: id, DomainName: name })).Address);
  },
  async attribute(id) {
    const words = [];
    const input = { AllocationIds: [id], Attribute: 'domain-name' };
    for await (const page of paginateDescribeAddressesAttribute({ client: ec2 }, input)) {
      for (const a of page.Addresses ?? []) words.push(...ptr(a));
    }
    return words;
  },
  async reset(id) {
    return ptr((await ec2.resetAddressAttribute({ AllocationId: id, Attribute: 'domain-name' })).Address);
  },
  async release(id) {
    await ec2.releaseAddress({ AllocationId: id });
    return [];
  },
};

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const [command, ...words] = line.split(' ');
    try {
      console.log(['ok', ...await commands[command](...words)].join(' '));
    } catch (err) {
      if (!err.$metadata?.httpStatusCode) throw err;
      console.log(`refused ${err.name}`);
    }
  }
}

main().catch((err) => { console.error(err); process.exit(1); });
