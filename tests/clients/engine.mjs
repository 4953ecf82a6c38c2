// Goal of this test: the real openai package gets from haechi-engine what it would get from OpenAI: plain, streaming, tools,
// schemas, logprobs, stop, n, seed, bias, embeddings, abort, a full queue.
import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.env.BASE_URL + "/v1", apiKey: "none", maxRetries: 0, timeout: 120_000 });
const model = (await client.models.list()).data[0].id;
const messages = [{ role: "user", content: "고영향 인공지능이 뭐예요?" }];
const ask = (more, options) => client.chat.completions.create({ model, messages, temperature: 0, max_tokens: 24, ...more }, options);
const weather = { type: "function", function: { name: "get_weather", description: "날씨", parameters: { type: "object",
	properties: { city: { type: "string", enum: ["서울", "부산"] }, days: { type: "integer" } }, required: ["city", "days"], additionalProperties: false } } };
const now = { type: "function", function: { name: "now", parameters: { type: "object", properties: {} } } };
async function refused(promise, status, param) {
	const error = await promise.then(() => assert.fail("expected " + status), (e) => e);
	assert.ok(error instanceof OpenAI.APIError, String(error));
	assert.equal(error.status, status, JSON.stringify(error.error));
	assert.match(error.error.message, /[가-힣].*[a-z]{3}/s);
	if (param) assert.equal(error.param, param);
	return error;
}
async function gather(stream) {
	let text = "", finish = null, usage = null, tools = [];
	for await (const chunk of stream) {
		const choice = chunk.choices[0];
		if (chunk.usage) usage = chunk.usage;
		if (!choice) continue;
		text += choice.delta.content ?? "";
		for (const call of choice.delta.tool_calls ?? []) {
			const made = (tools[call.index] ??= { id: "", name: "", arguments: "" });
			made.id += call.id ?? "", made.name += call.function?.name ?? "", made.arguments += call.function?.arguments ?? "";
		}
		finish = choice.finish_reason ?? finish;
	}
	return { text, finish, usage, tools };
}

const tests = {
	async "plain, and streamed the same"() {
		const whole = await ask(), { text, finish, usage } = await gather(await ask({ stream: true, stream_options: { include_usage: true } }));
		assert.equal(text, whole.choices[0].message.content);
		assert.equal(finish, whole.choices[0].finish_reason);
		assert.deepEqual([usage.prompt_tokens, usage.completion_tokens], [whole.usage.prompt_tokens, whole.usage.completion_tokens]);
	},
	async "max_tokens never ends in half a syllable"() {
		for (let max_tokens = 1; max_tokens <= 16; max_tokens++) {
			const { choices } = await ask({ max_tokens });
			assert.ok(!choices[0].message.content.includes("\uFFFD"), choices[0].message.content);
		}
	},
	async "a tool that the client wants is called, in the form its schema says"() {
		for (const tool_choice of ["required", { type: "function", function: { name: "get_weather" } }]) {
			const { choices } = await ask({ tools: [weather], tool_choice, max_tokens: 200, temperature: 0 });
			const [call] = choices[0].message.tool_calls;
			assert.equal(choices[0].finish_reason, "tool_calls");
			assert.equal(choices[0].message.content, null);
			assert.equal(call.function.name, "get_weather");
			assert.match(call.id, /^call_[0-9a-f]{24}$/);
			const given = JSON.parse(call.function.arguments);
			assert.ok(["서울", "부산"].includes(given.city) && Number.isInteger(given.days), call.function.arguments);
		}
	},
	async "one of several tools; streamed the same; the helper of the package understands"() {
		const wish = { tools: [now, weather], tool_choice: "required", max_tokens: 300 };
		const whole = (await ask(wish)).choices[0];
		if (whole.finish_reason === "length") return; // an open schema has no end of its own
		const { tools, finish, text } = await gather(await ask({ ...wish, stream: true }));
		assert.equal(finish, "tool_calls");
		assert.equal(text, "");
		assert.deepEqual([tools[0].name, tools[0].arguments], [whole.message.tool_calls[0].function.name, whole.message.tool_calls[0].function.arguments]);
		const runner = client.chat.completions.stream({ model, messages, temperature: 0, tools: [weather], tool_choice: "required", max_tokens: 200 });
		assert.equal((await runner.finalMessage()).tool_calls[0].function.name, "get_weather");
	},
	async "whichever tool is called, its arguments fit its own schema; what cannot be kept to is told when it is strict"() {
		const file = { type: "function", function: { name: "file", parameters: { type: "object", properties: { kind: { $ref: "#/$defs/kind" }, due: { type: "string", format: "date" } },
			required: ["kind", "due"], additionalProperties: false, $defs: { kind: { enum: ["고충", "질의"] } } } } };
		const beyond = { type: "function", function: { name: "beyond", parameters: { type: "object", properties: { a: { not: {} } } } } };
		for (let seed = 0; seed < 6; seed++) {
			const { choices } = await ask({ tools: [weather, file], tool_choice: "required", temperature: 2, seed, max_tokens: 200 });
			const { name, arguments: text } = choices[0].message.tool_calls[0].function, given = JSON.parse(text);
			if (name === "file") assert.ok(["고충", "질의"].includes(given.kind) && /^\d{4}-\d\d-\d\d$/.test(given.due), text);
			else assert.ok(["서울", "부산"].includes(given.city) && Number.isInteger(given.days), text);
		}
		await ask({ tools: [weather, beyond], tool_choice: "required", max_tokens: 2 });
		beyond.function.strict = true;
		await refused(ask({ tools: [weather, beyond], tool_choice: "required" }), 400, "tools[1]");
	},
	async "a conversation with calls in it; tools not wanted; tools that are none"() {
		const call = { id: "call_1", type: "function", function: { name: "get_weather", arguments: '{"city":"서울","days":1}' } };
		const talk = [...messages, { role: "assistant", content: null, tool_calls: [call] }, { role: "tool", tool_call_id: "call_1", content: "맑음" }];
		assert.ok((await ask({ messages: talk, tools: [weather] })).choices[0].message);
		const none = await ask({ tools: [weather], tool_choice: "none" });
		assert.equal(none.choices[0].message.content, (await ask()).choices[0].message.content);
		await refused(ask({ tools: [{ type: "function", function: { name: "a b" } }] }), 400, "tools[0]");
		await refused(ask({ tools: [weather], tool_choice: { type: "function", function: { name: "nope" } } }), 400, "tool_choice");
	},
	async "response_format: an object, a schema, a schema beyond us"() {
		const schema = { type: "object", properties: { high: { type: "boolean" }, area: { enum: ["보건", "교육"] }, n: { type: "integer" } }, required: ["high", "area", "n"], additionalProperties: false };
		const { choices } = await ask({ max_tokens: 200, response_format: { type: "json_schema", json_schema: { name: "a", strict: true, schema } } });
		const made = JSON.parse(choices[0].message.content);
		assert.deepEqual(Object.keys(made).sort(), ["area", "high", "n"]);
		assert.ok(typeof made.high === "boolean" && ["보건", "교육"].includes(made.area) && Number.isInteger(made.n));
		const object = await ask({ max_tokens: 300, response_format: { type: "json_object" } });
		if (object.choices[0].finish_reason === "stop") assert.equal(typeof JSON.parse(object.choices[0].message.content), "object");
		const beyond = { type: "object", properties: { 나이: { not: {} } } };
		assert.match((await refused(ask({ response_format: { type: "json_schema", json_schema: { name: "a", schema: beyond } } }), 400, "response_format")).message, /'not'.*\$\.properties\.나이/);
	},
	async "an agency's schema: patterns, dates, bounds, alternatives; each answer fits, or says that it was cut"() {
		const schema = { type: "object", additionalProperties: false, required: ["성명", "접수일", "등급", "결과", "영역"], properties: {
			성명: { type: "string", pattern: "^[가-힣]{2,5}$" }, 접수일: { type: "string", format: "date" }, 등급: { type: "integer", minimum: 1, maximum: 5 },
			비고: { type: ["string", "null"], maxLength: 8 }, 영역: { type: "array", items: { enum: ["에너지", "교육", "채용"] }, uniqueItems: true, minItems: 2 },
			결과: { oneOf: [{ type: "object", properties: { 종류: { const: "승인" }, 금액: { type: "integer", minimum: 1, maximum: 9999 } }, required: ["종류", "금액"], additionalProperties: false },
				{ type: "object", properties: { 종류: { const: "거부" }, 사유: { type: "string", minLength: 1, maxLength: 9 } }, required: ["종류", "사유"], additionalProperties: false }] } } };
		for (let seed = 0; seed < 8; seed++) {
			const { choices: [choice] } = await ask({ temperature: 1.2, seed, max_tokens: 400, response_format: { type: "json_schema", json_schema: { name: "a", strict: true, schema } } });
			if (choice.finish_reason === "length") continue;
			const { 성명, 접수일, 등급, 비고, 결과, 영역, ...more } = JSON.parse(choice.message.content);
			assert.deepEqual(more, {});
			assert.match(성명, /^[가-힣]{2,5}$/);
			assert.equal(new Date(접수일 + "T00:00:00Z").toISOString().slice(0, 10), 접수일);
			assert.ok(Number.isInteger(등급) && 등급 >= 1 && 등급 <= 5 && (비고 == null || [...비고].length <= 8));
			assert.ok(new Set(영역).size === 영역.length && 영역.length >= 2);
			assert.ok(결과.종류 === "승인" ? 결과.금액 >= 1 && 결과.금액 <= 9999 : 결과.종류 === "거부" && 결과.사유.length >= 1);
		}
		const cut = await ask({ max_tokens: 3, response_format: { type: "json_schema", json_schema: { name: "a", schema } } });
		assert.equal(cut.choices[0].finish_reason, "length");
	},
	async "logprobs of what was said and of what else might have been"() {
		const { choices } = await ask({ logprobs: true, top_logprobs: 3, max_tokens: 5 });
		const list = choices[0].logprobs.content;
		assert.ok(list.length >= 1 && list.length <= 5);
		for (const token of list) {
			assert.ok(token.logprob <= 0 && token.top_logprobs.length === 3);
			assert.equal(token.top_logprobs[0].token, token.token); // greedy
			assert.ok(token.top_logprobs[0].logprob >= token.top_logprobs[2].logprob);
			assert.ok(token.bytes.every((b) => b >= 0 && b < 256));
		}
		assert.equal(Buffer.from(list.flatMap((t) => t.bytes)).toString().startsWith(choices[0].message.content.slice(0, 1)), true);
	},
	async "stop strings are never seen"() {
		const text = (await ask({ max_tokens: 40 })).choices[0].message.content, stop = text.slice(3, 6);
		const { choices } = await ask({ max_tokens: 40, stop: [stop, "zzz"] });
		assert.equal(choices[0].message.content, text.slice(0, text.indexOf(stop)));
		assert.equal(choices[0].finish_reason, "stop");
		const { text: streamed } = await gather(await ask({ max_tokens: 40, stop, stream: true }));
		assert.equal(streamed, text.slice(0, text.indexOf(stop)));
	},
	async "n answers; a seed gives the same again; bias and penalties change them"() {
		const warm = { temperature: 1.2, seed: 7, n: 3, max_tokens: 12 }, one = await ask(warm), two = await ask(warm);
		assert.equal(one.choices.length, 3);
		assert.deepEqual(one.choices.map((c) => c.message.content), two.choices.map((c) => c.message.content));
		assert.ok(new Set(one.choices.map((c) => c.message.content)).size > 1);
		const first = (await ask({ logprobs: true, max_tokens: 1 })).choices[0].message.content;
		const banned = Object.fromEntries([...Array(200).keys()].map((i) => [String(i), -100]));
		assert.equal(typeof (await ask({ logit_bias: banned, max_tokens: 1 })).choices[0].message.content, typeof first);
		await ask({ frequency_penalty: 1.5, presence_penalty: 1, top_p: 0.9, min_p: 0.05, repetition_penalty: 1.1 });
		await refused(ask({ logit_bias: { 99999999: 1 } }), 400, "logit_bias");
	},
	async "text completions, and embeddings as numbers and as bytes"() {
		const text = await client.completions.create({ model, prompt: "고영향", max_tokens: 4, temperature: 0, logprobs: 2 });
		assert.equal(text.choices[0].logprobs.tokens.length, text.usage.completion_tokens - (text.choices[0].finish_reason === "stop" ? 1 : 0));
		const input = ["보건의료", "고영향 인공지능"];
		const plain = await client.embeddings.create({ model, input, encoding_format: "float" }), packed = await client.embeddings.create({ model, input });
		assert.equal(plain.data.length, 2);
		const length = Math.hypot(...plain.data[0].embedding);
		assert.ok(Math.abs(length - 1) < 1e-5);
		plain.data[1].embedding.forEach((x, i) => assert.ok(Math.abs(x - packed.data[1].embedding[i]) < 1e-6));
		const short = await client.embeddings.create({ model, input, dimensions: 16, encoding_format: "float" });
		assert.equal(short.data[0].embedding.length, 16);
		assert.ok(Math.abs(Math.hypot(...short.data[0].embedding) - 1) < 1e-5);
		await refused(client.embeddings.create({ model, input, dimensions: 100000 }), 400, "dimensions");
	},
	async "several prompts, texts or tokens, each with its answers; a prompt said again before its answer"() {
		const say = (more) => client.completions.create({ model, max_tokens: 4, temperature: 0, ...more });
		const alone = await Promise.all(["고영향", "보건의료"].map((prompt) => say({ prompt })));
		const both = await say({ prompt: ["고영향", "보건의료"], n: 2 });
		assert.deepEqual(both.choices.map((c) => [c.index, c.text]), [0, 0, 1, 1].map((at, i) => [i, alone[at].choices[0].text]));
		assert.equal(both.usage.prompt_tokens, alone[0].usage.prompt_tokens + alone[1].usage.prompt_tokens);
		const echoed = await say({ prompt: "고영향", echo: true });
		assert.equal(echoed.choices[0].text, "고영향" + alone[0].choices[0].text);
		let streamed = "";
		for await (const chunk of await say({ prompt: "고영향", echo: true, stream: true })) streamed += chunk.choices[0].text;
		assert.equal(streamed, echoed.choices[0].text);
		assert.equal((await say({ prompt: [[1, 2, 3], [4]] })).choices.length, 2);
		const places = (await say({ prompt: "고영향", logprobs: 1, max_tokens: 12 })).choices[0];
		places.logprobs.tokens.forEach((token, i) => token.includes("\uFFFD") || assert.equal(places.text.substr(places.logprobs.text_offset[i], token.length), token));
		await refused(say({ prompt: [] }), 400, "prompt");
		await refused(say({ prompt: ["a", 1] }), 400, "prompt");
	},
	async "an end that comes too early is not let"() {
		const { usage } = await ask({ min_tokens: 40, max_tokens: 40 });
		assert.equal(usage.completion_tokens, 40);
		await refused(ask({ min_tokens: 9, max_tokens: 8 }), 400, "min_tokens");
	},
	async "what is not there, and what nobody knows, is told by its name"() {
		assert.equal((await refused(ask({ model: "nope" }), 404, "model")).code, "model_not_found");
		assert.equal((await refused(client.models.retrieve("no/pe 가"), 404, "model")).code, "model_not_found");
		assert.equal((await client.models.retrieve(model)).id, model);
		assert.equal((await refused(ask({ mystery: 1 }), 400, "mystery")).code, "unknown_parameter");
		assert.equal((await refused(client.embeddings.create({ model, input: "a", mystery: 1 }), 400, "mystery")).code, "unknown_parameter");
		assert.equal((await refused(ask({ messages: [{ role: "user", content: "가나다 ".repeat(20000) }] }), 400, "messages")).code, "context_length_exceeded");
		await refused(ask({ max_tokens: 0 }), 400, "max_tokens");
		await refused(ask({ temperature: 3 }), 400, "temperature");
		await refused(ask({ messages: [{ role: "user" }] }), 400, "messages[0].content");
		await refused(ask({ modalities: ["audio"] }), 400, "modalities");
		await refused(client.embeddings.create({ model, input: ["a", ""] }), 400, "input");
		await refused(client.responses.create({ model, input: "a" }), 404);
		const method = await fetch(process.env.BASE_URL + "/v1/chat/completions");
		assert.deepEqual([method.status, method.headers.get("allow")], [405, "POST"]);
		// all that OpenAI knows and that changes nothing here
		await ask({ user: "u", store: false, metadata: { a: "b" }, service_tier: "auto", safety_identifier: "s", prompt_cache_key: "k", verbosity: "low",
			reasoning_effort: "low", modalities: ["text"], parallel_tool_calls: true });
	},
	async "a client that leaves is let go; a full queue says so, and when to come again"() {
		const stream = await ask({ stream: true, max_tokens: 400, ignore_eos: true });
		for await (const _ of stream) break; // aborts
		const many = await Promise.allSettled([...Array(40)].map(() => ask({ max_tokens: 40, ignore_eos: true })));
		const busy = many.filter((r) => r.status === "rejected").map((r) => r.reason);
		assert.ok(busy.length > 0 && busy.length < 40, `${busy.length} of 40 refused`);
		for (const error of busy) {
			assert.equal(error.status, 429);
			assert.equal(error.error.type, "rate_limit_error");
			assert.ok(Number.isInteger(error.error.queue_position) && error.error.queue_position >= 0);
			assert.ok(Number(error.headers.get("retry-after")) >= 1);
		}
		const answers = new Set(many.filter((r) => r.status === "fulfilled").map((r) => r.value.choices[0].message.content));
		assert.equal(answers.size, 1, "the same question has the same answer in any company");
	},
};
let bad = 0;
for (const [name, test] of Object.entries(tests)) {
	try { await test(); console.log("ok   ", name); } catch (error) { bad++; console.log("FAIL ", name, "\n", error); }
}
process.exit(bad ? 1 : 0);
