// The AWS SDK for JavaScript, version 3.
'use strict';
const fs = require('node:fs');
const { Route53, paginateListHostedZones, waitUntilResourceRecordSetsChanged } = require('@aws-sdk/client-route-53');

const client = new Route53({ endpoint: process.env.PTRD_LAB_ENDPOINT });

async function listed(zone) {
  const sets = [];
  let pages = 0;
  let page = {};
  do {
    page = await client.listResourceRecordSets({
      HostedZoneId: zone, MaxItems: 3, StartRecordName: page.NextRecordName, StartRecordType: page.NextRecordType,
    });
    sets.push(...page.ResourceRecordSets);
    pages++;
  } while (page.IsTruncated);
  if (pages < 2) throw new Error(`${pages} pages of ${zone}`);
  return sets;
}

async function create(name, path) {
  const batch = JSON.parse(fs.readFileSync(path));
  const { HostedZone: zone } = await client.createHostedZone({ Name: name, CallerReference: `js ${name}` });
  const { ChangeInfo: change } = await client.changeResourceRecordSets({ HostedZoneId: zone.Id, ChangeBatch: batch });
  await waitUntilResourceRecordSetsChanged({ client, maxWaitTime: 60 }, { Id: change.Id });
  console.log(JSON.stringify({ ResourceRecordSets: await listed(zone.Id) }));
}

async function remove(zone) {
  const isOwn = (s) => s.Name === zone.Name && ['SOA', 'NS'].includes(s.Type);
  const changes = (await listed(zone.Id)).filter((s) => !isOwn(s)).map((s) => ({ Action: 'DELETE', ResourceRecordSet: s }));
  await client.changeResourceRecordSets({ HostedZoneId: zone.Id, ChangeBatch: { Changes: changes } });
  await client.deleteHostedZone({ Id: zone.Id });
}

async function main() {
  if (process.argv[2] === 'create') {
    for (const line of fs.readFileSync('zones.txt', 'utf8').trim().split('\n')) await create(...line.split(' '));
    return;
  }
  const zones = [];
  for await (const page of paginateListHostedZones({ client, pageSize: 1 }, {})) zones.push(...page.HostedZones);
  for (const zone of zones) await remove(zone);
}

main().catch((err) => { console.error(err); process.exit(1); });
