#!/usr/bin/env node
// cedar-wasm (npm package @cedar-policy/cedar-wasm under $CEDAR_WASM/node_modules) asked the questions of tests/bench/cedar.c:
// `cedar_wasm.mjs run FOLDER SHAPE COUNT` prints the same JSON line. Its fastest way is taken: policies and schema are
// parsed before; entities and request cross into it as JSON with every call, for it has no other way.
import { createRequire } from 'node:module';
import fs from 'node:fs';
const require = createRequire(process.env.CEDAR_WASM + '/x.mjs');
const cedar = require('@cedar-policy/cedar-wasm/nodejs');

const [verb, folder, shape, count] = process.argv.slice(2);
if (verb !== 'run' || !count) { console.error('usage: cedar_wasm.mjs run FOLDER SHAPE COUNT'); process.exit(2); }
const read = (name) => fs.readFileSync(`${folder}/${name}`, 'utf8');
const policies = { staticPolicies: read(`${shape}-${count}.cedar`), templates: {}, templateLinks: [] };
const schema = read('schema.cedarschema');
const request = { ...JSON.parse(read('request.json')), entities: JSON.parse(read('entities.json')), preparsedPolicySetId: 'p', validateRequest: false };

function measure(work) {
  for (let i = 0; i < 20; i++) work(); // the compiler of WebAssembly warms up
  let rounds = 0;
  const begin = process.cpuUsage();
  for (;;) {
    work();
    rounds++;
    const spent = process.cpuUsage(begin);
    if (spent.user + spent.system >= 300000) return (spent.user + spent.system) / rounds;
  }
}

cedar.preparsePolicySet('p', policies);
const first = cedar.statefulIsAuthorized(request);
const decision = measure(() => cedar.statefulIsAuthorized(request));
const load = measure(() => {
  const answer = cedar.validate({ schema, policies, validationSettings: { mode: 'strict' } });
  if (answer.type !== 'success' || answer.validationErrors.length > 0) process.exit(2);
});
console.log(`{"engine":"cedar-wasm","shape":"${shape}","policies":${count},"decision_us":${decision.toFixed(3)},"load_us":${load.toFixed(1)},"allow":${first.response.decision === 'allow'}}`);
