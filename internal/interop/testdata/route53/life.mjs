// Takes hosted zones through their life by the SDK for JavaScript of AWS, unmodified.
import { createRequire } from "node:module";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import assert from "node:assert";

const require = createRequire(process.env.PTRD_NODE_MODULES + "/");
const r53 = require("@aws-sdk/client-route-53");
const client = new r53.Route53Client({ endpoint: process.env.PTRD_LAB_ENDPOINT, region: "us-east-1" });

for (const zone of JSON.parse(readFileSync(process.argv[2], "utf8"))) {
  const made = await client.send(new r53.CreateHostedZoneCommand({ Name: zone.Name, CallerReference: "js " + zone.Name }));
  const HostedZoneId = made.HostedZone.Id;
  const Changes = zone.Records.map((r) => ({
    Action: "CREATE",
    ResourceRecordSet: { Name: r.Name, Type: r.Type, TTL: r.TTL, ResourceRecords: r.Values.map((Value) => ({ Value })) },
  }));
  const changed = await client.send(new r53.ChangeResourceRecordSetsCommand({ HostedZoneId, ChangeBatch: { Changes } }));
  await r53.waitUntilResourceRecordSetsChanged({ client, maxWaitTime: 60 }, { Id: changed.ChangeInfo.Id });
  await assert.rejects(client.send(new r53.ChangeResourceRecordSetsCommand({ HostedZoneId, ChangeBatch: { Changes } })), (e) => e.name === "InvalidChangeBatch" && /already exists/.test(e.message));
  for (const r of zone.Records) {
    const name = r.Name.replace("*", "w").replace("\\057", "/");
    const out = execFileSync("dig", ["@" + process.env.PTRD_LAB_DNS_HOST, "-p", process.env.PTRD_LAB_DNS_PORT, "+short", name, r.Type], { encoding: "utf8" });
    assert.ok(out.trim(), `${r.Name} ${r.Type}: no answer`);
  }
  const sets = [];
  let next = {};
  do {
    const page = await client.send(new r53.ListResourceRecordSetsCommand({ HostedZoneId, MaxItems: 2, ...next }));
    sets.push(...page.ResourceRecordSets);
    next = page.IsTruncated ? { StartRecordName: page.NextRecordName, StartRecordType: page.NextRecordType } : null;
  } while (next);
  assert.equal(sets.length, zone.Records.length + 2);
  await client.send(new r53.ChangeResourceRecordSetsCommand({ HostedZoneId, ChangeBatch: {
    Changes: sets.filter((s) => s.Type !== "SOA" && s.Type !== "NS").map((ResourceRecordSet) => ({ Action: "DELETE", ResourceRecordSet })) } }));
  await client.send(new r53.DeleteHostedZoneCommand({ Id: HostedZoneId }));
}
