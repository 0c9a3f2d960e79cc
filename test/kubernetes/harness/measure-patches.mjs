#!/usr/bin/env node
// Usage: measure-patches.mjs [OBJECTS [PARTITIONS [CHANGES]]]
// (KUBECONFIG names the cluster; crds/leadership-shards.yaml of the repository must be applied)
// How many compare-and-swaps of LeadershipShards' status the API server takes a second, as a failover sends them: one JSON
// Patch for each of OBJECTS (120) shards of PARTITIONS (100) partitions, of which CHANGES (33) get another leader; then the
// same with all states anew, bound to the objects' versions, as patches and as PUTs; so many at a time, and with so many
// watchers, as the line says. Keeps what it makes in a namespace of its own, and removes it.
import { readFileSync } from "node:fs";
import https from "node:https";

const [objects = 120, partitions = 100, changes = 33] = process.argv.slice(2).map(Number);
const WATCHERS = 5;
const JSON_PATCH = "application/json-patch+json";
// A namespace that was deleted takes a while to go.
const space = `measure-patches-${process.pid}`;
const kubeconfig = readFileSync(process.env.KUBECONFIG, "utf8");
const server = new URL(kubeconfig.match(/server: "(.*?)"/)[1]);
const ca = Buffer.from(kubeconfig.match(/certificate-authority-data: ([^\s}]+)/)[1], "base64");
const authorization = `Bearer ${kubeconfig.match(/token: (\w+)/)[1]}`;
const options = { host: server.hostname, port: server.port, ca };
const namespace = `/api/v1/namespaces/${space}`;
const shards = `/apis/forebay.dev/v1alpha1/namespaces/${space}/leadershipshards`;

function call(agent, method, path, body, type = "application/json") {
  return new Promise((resolve, reject) => {
    const headers = { authorization, "content-type": type };
    const request = https.request({ ...options, agent, method, path, headers }, (response) => {
      const chunks = [];
      response.on("data", (chunk) => chunks.push(chunk));
      response.on("end", () => {
        const answer = JSON.parse(Buffer.concat(chunks));
        if (response.statusCode < 300) resolve(answer);
        else reject(new Error(`${method} ${path}: ${answer.message}`));
      });
    });
    request.on("error", reject);
    request.end(body && JSON.stringify(body));
  });
}

function watch() {
  const headers = { authorization };
  const request = https.request({ ...options, path: `${shards}?watch=true`, headers }, (response) => {
    response.resume();
  });
  request.on("error", () => {});
  request.end();
  return request;
}

async function inParallel(width, act) {
  const agent = new https.Agent({ keepAlive: true, maxSockets: width });
  let next = 0;
  const worker = async () => {
    while (next < objects) await act(agent, next++);
  };
  const began = performance.now();
  await Promise.all(Array.from({ length: width }, worker));
  agent.destroy();
  return (performance.now() - began) / 1000;
}

const nameOf = (at) => `shard-${String(at).padStart(5, "0")}`;
// Topics of six partitions, as many as it takes.
const keyOf = (index) => `00112233-4455-6677-8899-${String(Math.floor(index / 6)).padStart(12, "0")}.${index % 6}`;
const state = (leader, epoch) => `${leader}/${epoch} isr 0,1,2 #${epoch}`;
const shardOf = (name) => ({
  apiVersion: "forebay.dev/v1alpha1",
  kind: "LeadershipShard",
  metadata: { name },
  spec: { cluster: "c" },
});
/** States of all partitions, of which CHANGES have come to an epoch. */
const statesIn = (at) =>
  Object.fromEntries(
    Array.from({ length: partitions }, (_, index) => [
      keyOf(index),
      index < changes ? state(at % 3, at) : state(0, 0),
    ]),
  );
const admin = new https.Agent({ keepAlive: true });
await call(admin, "POST", "/api/v1/namespaces", { metadata: { name: space } }).catch(() => {});
const made = await inParallel(16, (agent, at) =>
  call(agent, "POST", shards, shardOf(nameOf(at))),
);
console.log(`${objects} shards created in ${made.toFixed(2)} s, 16 at a time: ${(objects / made).toFixed(0)} a second`);
const watchers = Array.from({ length: WATCHERS }, watch);
await inParallel(16, (agent, at) =>
  call(agent, "PATCH", `${shards}/${nameOf(at)}/status`, [{ op: "add", path: "/status", value: { partitions: statesIn(0) } }], JSON_PATCH),
);
/** Three ways to the same change of a shard: the request's method, body and content type. */
const ways = {
  patches: ({ before, after }) => [
    "PATCH",
    Array.from({ length: changes }, (_, index) => [
      { op: "test", path: `/status/partitions/${keyOf(index)}`, value: state(before % 3, before) },
      { op: "replace", path: `/status/partitions/${keyOf(index)}`, value: state(after % 3, after) },
    ]).flat(),
    JSON_PATCH,
  ],
  "whole patches": ({ after, resourceVersion }) => [
    "PATCH",
    [
      { op: "test", path: "/metadata/resourceVersion", value: resourceVersion },
      { op: "replace", path: "/status/partitions", value: statesIn(after) },
    ],
    JSON_PATCH,
  ],
  replacements: ({ name, after, resourceVersion }) => [
    "PUT",
    { ...shardOf(name), metadata: { name, resourceVersion }, status: { partitions: statesIn(after) } },
  ],
};
const versions = new Map();
let epoch = 0;
for (const [how, width] of Object.keys(ways).flatMap((one) => [4, 16, 32].map((at) => [one, at]))) {
  const before = epoch++;
  const seconds = await inParallel(width, async (agent, at) => {
    const name = nameOf(at);
    const [method, ...rest] = ways[how]({ name, before, after: epoch, resourceVersion: versions.get(at) });
    const written = await call(agent, method, `${shards}/${name}/status`, ...rest);
    versions.set(at, written.metadata.resourceVersion);
  });
  const rate = objects / seconds;
  console.log(
    `${objects} shards, ${width} at a time, ${WATCHERS} watchers: ${seconds.toFixed(2)} s, ${rate.toFixed(0)} ${how} and ${(rate * changes).toFixed(0)} leaderships a second`,
  );
}
for (const one of watchers) one.destroy();
await call(admin, "DELETE", namespace);
admin.destroy();
