#!/usr/bin/env node
// The answers of the reference (npm package @cedar-policy/cedar-wasm, 4.10 to 4.12) to the questions of cedar_generate.py,
// in the form of tests/tools/cedar_answer.c. Run with `node --no-opt`; CEDAR_WASM names the folder that holds node_modules.
import { createRequire } from 'node:module';
import readline from 'node:readline';
const require = createRequire((process.env.CEDAR_WASM ?? process.cwd()) + '/x.mjs');
let cedar = require('@cedar-policy/cedar-wasm/nodejs');

// The package passes JSON.stringify(call) to Rust: integers beyond 2^53 travel as marked strings and are put back there.
const MARK = '\u0001i64:';
const stringify = JSON.stringify;
JSON.stringify = function (value, ...rest) {
  const text = stringify.call(JSON, value, ...rest);
  return typeof text === 'string' && text.includes('\\u0001i64:') ? text.replace(/"\\u0001i64:(-?\d+)"/g, '$1') : text;
};
function parse(text) {
  let out = '', i = 0;
  while (i < text.length) {
    const c = text[i];
    if (c === '"') {
      let j = i + 1;
      while (j < text.length && text[j] !== '"') j += text[j] === '\\' ? 2 : 1;
      out += text.slice(i, j + 1); i = j + 1; continue;
    }
    if (c === '-' || (c >= '0' && c <= '9')) {
      let j = i + 1;
      while (j < text.length && /[0-9.eE+-]/.test(text[j])) j++;
      const number = text.slice(i, j);
      out += /^-?\d+$/.test(number) && !Number.isSafeInteger(Number(number)) ? stringify(MARK + number) : number;
      i = j; continue;
    }
    out += c; i++;
  }
  return JSON.parse(out);
}

function attempt(call) {
  try { return call(); } catch (e) {
    if (e instanceof WebAssembly.RuntimeError) { // its stack is used up: the instance is spoilt, begin with a new one
      for (const k of Object.keys(require.cache)) if (k.includes('cedar-wasm')) delete require.cache[k];
      cedar = require('@cedar-policy/cedar-wasm/nodejs');
      return 'crash';
    }
    return null;
  }
}

function answer(q) {
  let policies = null, scheme = null;
  try { policies = q.policies.text !== undefined ? { staticPolicies: q.policies.text, templates: {}, templateLinks: [] } : parse(q.policies.json); } catch { /* refused */ }
  try { scheme = q.schema.trimStart().startsWith('{') ? parse(q.schema) : q.schema; } catch { /* refused */ }
  const parsed = policies === null ? null : attempt(() => cedar.preparsePolicySet('p', policies));
  const schema = scheme === null ? null : attempt(() => cedar.preparseSchema('s', scheme));
  if (parsed === 'crash' || schema === 'crash') return { crash: true };
  const out = { parse: parsed?.type === 'success', schema: schema?.type === 'success', valid: null, invalid: [], plain: [], typed: [] };
  if (!out.parse) out.why = parsed?.errors?.map((e) => e.message);
  if (!out.schema) (out.why ??= []).push(...(schema?.errors?.map((e) => e.message) ?? []));
  if (out.parse && out.schema) {
    const v = attempt(() => cedar.validate({ schema: scheme, policies, validationSettings: { mode: 'strict' } }));
    if (v === 'crash') return { crash: true };
    out.valid = v?.type === 'success' ? v.validationErrors.length === 0 : null;
    if (v?.type === 'success') {
      out.why = v.validationErrors.map((e) => e.error.message);
      out.invalid = v.validationErrors.map((e) => e.policyId);
    }
  }
  let entities = null;
  try { entities = parse(q.entities); } catch { /* refused */ }
  for (const mode of ['plain', 'typed']) {
    for (const text of q.requests) {
      const r = parse(text);
      if (!out.parse || entities === null || (mode === 'typed' && !out.schema)) { out[mode].push(null); continue; }
      const call = { principal: r.principal, action: r.action, resource: r.resource, context: r.context, preparsedPolicySetId: 'p', entities, validateRequest: false };
      if (mode === 'typed') { call.preparsedSchemaName = 's'; call.validateRequest = r.validateRequest; }
      const a = attempt(() => cedar.statefulIsAuthorized(call));
      if (a === 'crash') return { crash: true };
      if (a?.type !== 'success') { out[mode].push(null); (out.errors ??= []).push(a?.errors?.map((e) => e.message)); continue; }
      const d = a.response;
      out[mode].push({ d: d.decision, r: d.diagnostics.reason, e: d.diagnostics.errors.map((e) => e.policyId) });
    }
  }
  return out;
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  process.stdout.write(stringify(answer(JSON.parse(line))) + '\n');
}
