// The AWS SDK for JavaScript, version 3.
'use strict';
const assert = require('node:assert/strict');
const fs = require('node:fs');
const { Route53, paginateListHostedZones, waitUntilResourceRecordSetsChanged } = require('@aws-sdk/client-route-53');

// It needs more than the three attempts of its default if it is the only client at a limit.
const client = new Route53({ endpoint: process.env.PTRD_LAB_ENDPOINT, maxAttempts: 10 });

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
  await find(zone);
  const { ChangeInfo: change } = await client.changeResourceRecordSets({ HostedZoneId: zone.Id, ChangeBatch: batch });
  await waitUntilResourceRecordSetsChanged({ client, maxWaitTime: 60 }, { Id: change.Id });
  console.log(JSON.stringify({ ResourceRecordSets: await listed(zone.Id) }));
}

// find finds a zone by its name and by its tags.
async function find(zone) {
  const list = await client.listHostedZonesByName({ DNSName: zone.Name, MaxItems: 1 });
  assert.deepEqual(list.HostedZones.map((z) => z.Id), [zone.Id]);
  const of = { ResourceType: 'hostedzone', ResourceId: zone.Id.replace('/hostedzone/', '') };
  await client.changeTagsForResource({ ...of, AddTags: [{ Key: 'owner', Value: 'a & b' }, { Key: 'gone', Value: '' }] });
  await client.changeTagsForResource({ ...of, RemoveTagKeys: ['gone'] });
  const { ResourceTagSet: tags } = await client.listTagsForResource(of);
  assert.deepEqual(tags.Tags, [{ Key: 'owner', Value: 'a & b' }]);
}

// count makes more requests than the server answers in a second.
async function count() {
  for (let i = 0; i < 12; i++) await client.getHostedZoneCount({});
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
  if (process.argv[2] === 'count') {
    await count();
    return;
  }
  const zones = [];
  for await (const page of paginateListHostedZones({ client, pageSize: 1 }, {})) zones.push(...page.HostedZones);
  for (const zone of zones) await remove(zone);
}

main().catch((err) => { console.error(err); process.exit(1); });
