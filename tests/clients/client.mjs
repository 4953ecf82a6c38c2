// Goal of this test: the real openai package gets what it expects from a real gateway - plain, streaming, denied, held and
// approved, redacted, bad key, bad body - and every answer carries the headers of the contract.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import OpenAI from "openai";

const { BASE_URL, KEY_GUIDE, KEY_WELFARE, KEY_DRAFT, HAECHI, CONTROL } = process.env;
const client = (key) => new OpenAI({ baseURL: BASE_URL + "/v1", apiKey: key, maxRetries: 0, timeout: 60_000 });
const guide = client(KEY_GUIDE), welfare = client(KEY_WELFARE), draft = client(KEY_DRAFT);
const model = process.env.MODEL_ID ?? "haechi-demo";
const RRN = "900101-1990006"; // synthetic: region code 99 is unassigned
const question = [{ role: "user", content: "고영향 인공지능이 뭐예요?" }];

const UUID7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const haechi = (...args) => execFileSync(HAECHI, args, { encoding: "utf8", env: process.env });

function governed(headers, decision, verdict) {
	assert.match(headers.get("x-haechi-entry"), UUID7);
	assert.equal(headers.get("x-haechi-decision"), decision);
	if (verdict) assert.equal(headers.get("x-haechi-verdict"), verdict);
	assert.ok(headers.get("x-request-id"));
}

async function refused(promise, status) {
	try {
		await promise;
	} catch (error) {
		assert.ok(error instanceof OpenAI.APIError, String(error));
		assert.equal(error.status, status, JSON.stringify(error.error));
		assert.equal(typeof error.error.message, "string");
		assert.match(error.error.message, /[가-힣]/, "the message begins in Korean");
		assert.match(error.error.message, /[a-z]{3}/, "and goes on in English");
		return error;
	}
	assert.fail(`expected ${status}`);
}

const tests = {
	async "plain answer in Korean, marked and recorded"() {
		const { data, response } = await guide.chat.completions.create({ model, messages: question, temperature: 0 }).withResponse();
		governed(response.headers, "permit", "NOT_HIGH_IMPACT");
		assert.equal(response.headers.get("x-haechi-ai-generated"), "true");
		assert.equal(data.object, "chat.completion");
		assert.equal(data.choices[0].message.role, "assistant");
		assert.match(data.choices[0].message.content, /[가-힣]{4}/);
		assert.ok(data.usage.completion_tokens > 0 && data.usage.prompt_tokens > 0);
		assert.ok(["stop", "length"].includes(data.choices[0].finish_reason));
	},
	async "streaming gives the same text, whole syllables, usage and an end"() {
		const plain = await guide.chat.completions.create({ model, messages: question, temperature: 0 });
		const { data: stream, response } = await guide.chat.completions
			.create({ model, messages: question, temperature: 0, stream: true, stream_options: { include_usage: true } })
			.withResponse();
		governed(response.headers, "permit", "NOT_HIGH_IMPACT");
		let text = "", finish = null, usage = null, chunks = 0;
		for await (const chunk of stream) {
			chunks++;
			assert.equal(chunk.object, "chat.completion.chunk");
			const piece = chunk.choices[0]?.delta?.content ?? "";
			assert.ok(!piece.includes("\uFFFD"), "a syllable was split");
			text += piece;
			finish = chunk.choices[0]?.finish_reason ?? finish;
			usage = chunk.usage ?? usage;
		}
		assert.equal(text, plain.choices[0].message.content);
		assert.equal(finish, plain.choices[0].finish_reason);
		assert.ok(usage.completion_tokens > 0);
		assert.ok(chunks > 2, "more than one chunk");
	},
	async "models are listed"() {
		const { data } = await guide.models.list();
		assert.ok(data.some((each) => each.id === model), JSON.stringify(data));
	},
	async "the caller's request id comes back; a bad one is refused"() {
		const ask = (id) => guide.chat.completions.create({ model, messages: question, max_tokens: 4 }, { headers: { "X-Request-ID": id } });
		const { response } = await ask("minwon-2026.03_02-A").withResponse();
		assert.equal(response.headers.get("x-request-id"), "minwon-2026.03_02-A");
		await refused(ask("has space"), 400);
		await refused(ask("a".repeat(129)), 400);
		const { response: listed } = await guide.models.list({ headers: { "X-Request-ID": "list.1" } }).withResponse();
		assert.equal(listed.headers.get("x-request-id"), "list.1");
		await refused(guide.models.list({ headers: { "X-Request-ID": "has space" } }), 400);
	},
	async "a key may not name a use case it is not bound to"() {
		const error = await refused(
			guide.chat.completions.create({ model, messages: question }, { headers: { "X-Haechi-Use-Case": "welfare-eligibility" } }), 403);
		governed(error.headers, "deny");
	},
	async "a high-impact use without human review is held, then approved, then answered"() {
		const body = { model, messages: [{ role: "user", content: "소득 120만 원, 2인 가구입니다. 급여 자격이 되는지 판정해 주세요." }] };
		const { response } = await welfare.chat.completions.create(body).withResponse();
		assert.equal(response.status, 202);
		governed(response.headers, "hold", "HIGH_IMPACT");
		const held = await welfare.chat.completions.create(body);
		assert.equal(held.object, "haechi.ticket");
		assert.ok(held.id);
		const waiting = await fetch(`${BASE_URL}/haechi/v1/tickets/${held.id}`, { headers: { Authorization: `Bearer ${KEY_WELFARE}` } });
		assert.equal(waiting.status, 202);
		governed(waiting.headers, "hold", "HIGH_IMPACT");
		const stranger = await fetch(`${BASE_URL}/haechi/v1/tickets/${held.id}`, { headers: { Authorization: `Bearer ${KEY_GUIDE}` } });
		assert.equal(stranger.status, 404, "another service's ticket does not exist for us");
		const shown = haechi("review", "show", held.id, "--socket", CONTROL);
		assert.match(shown, /120만 원/);
		haechi("review", "approve", held.id, "--reason", "소득 자료와 대조함", "--socket", CONTROL);
		const fetched = await fetch(`${BASE_URL}/haechi/v1/tickets/${held.id}`, { headers: { Authorization: `Bearer ${KEY_WELFARE}` } });
		const answer = await fetched.json();
		assert.equal(fetched.status, 200, JSON.stringify(answer));
		governed(fetched.headers, "permit", "HIGH_IMPACT");
		assert.equal(answer.object, "chat.completion");
		assert.ok(answer.choices[0].message.content.length > 0);
		const again = await fetch(`${BASE_URL}/haechi/v1/tickets/${held.id}`, { headers: { Authorization: `Bearer ${KEY_WELFARE}` } });
		assert.equal(again.status, 409, "an approval is for one answer");
		governed(again.headers, "hold", "HIGH_IMPACT");
	},
	async "a refused ticket is a denial"() {
		const held = await welfare.chat.completions.create({ model, messages: [{ role: "user", content: "자격을 판정해 주세요." }] });
		haechi("review", "refuse", held.id, "--reason", "자료가 모자람", "--socket", CONTROL);
		const fetched = await fetch(`${BASE_URL}/haechi/v1/tickets/${held.id}`, { headers: { Authorization: `Bearer ${KEY_WELFARE}` } });
		assert.equal(fetched.status, 403);
		governed(fetched.headers, "deny", "HIGH_IMPACT");
		assert.ok((await fetched.json()).error.message);
	},
	async "a resident number is masked before the model sees it"() {
		const { data, response } = await draft.chat.completions
			.create({ model, messages: [{ role: "user", content: `${RRN} 님의 신청서를 요약해 주세요.` }], temperature: 0 })
			.withResponse();
		governed(response.headers, "redact");
		assert.ok(!JSON.stringify(data).includes(RRN));
	},
	async "a wrong key is 401 with an error object"() {
		const error = await refused(client("hk_nobody_0000000000000000000000000000").chat.completions.create({ model, messages: question }), 401);
		governed(error.headers, "deny");
	},
	async "an unknown model is 404"() {
		await refused(guide.chat.completions.create({ model: "no-such-model", messages: question }), 404);
	},
	async "what the engine does not accept is 400 and names the member"() {
		const tools = [{ type: "function", function: { name: "weather", parameters: { type: "object", properties: {} } } }];
		const error = await refused(guide.chat.completions.create({ model, messages: question, tools }), 400);
		assert.equal(error.param, "tools");
		const long = [{ role: "user", content: "가나다 ".repeat(20000) }];
		assert.equal((await refused(guide.chat.completions.create({ model, messages: long }), 400)).code, "context_length_exceeded");
	},
	async "tools go through: called, streamed the same, answered with a result"() {
		const weather = { type: "function", function: { name: "get_weather", description: "날씨", parameters: { type: "object",
			properties: { city: { enum: ["서울", "부산"] }, days: { enum: [1, 2, 3] } }, required: ["city", "days"], additionalProperties: false } } };
		const wish = { model: "tools", messages: question, tools: [weather], tool_choice: "required", temperature: 0, max_tokens: 200 };
		const { data, response } = await guide.chat.completions.create(wish).withResponse();
		governed(response.headers, "permit", "NOT_HIGH_IMPACT");
		const [call] = data.choices[0].message.tool_calls, given = JSON.parse(call.function.arguments);
		assert.equal(data.choices[0].finish_reason, "tool_calls");
		assert.ok(call.function.name === "get_weather" && ["서울", "부산"].includes(given.city) && given.days >= 1);
		const whole = await guide.chat.completions.stream(wish).finalMessage();
		assert.deepEqual(whole.tool_calls.map((one) => one.function.arguments), [call.function.arguments]);
		const talk = [...question, data.choices[0].message, { role: "tool", tool_call_id: call.id, content: "맑음" }];
		assert.equal(typeof (await guide.chat.completions.create({ model: "tools", messages: talk, tools: [weather], tool_choice: "none", max_tokens: 20 })).choices[0].message.content, "string");
	},
	async "a result of a tool, and arguments with escapes, are looked at as messages are"() {
		const call = (given) => ({ role: "assistant", content: null, tool_calls: [{ id: "c1", type: "function", function: { name: "find", arguments: given } }] });
		const result = (content) => ({ role: "tool", tool_call_id: "c1", content });
		for (const talk of [[call("{}"), result(`${RRN} 님입니다`)], [call(`{"id":"${RRN.replace("-", "\\u002d").replace("9", "\\u0039")}"}`), result("없음")]]) {
			const { data, response } = await draft.chat.completions.create({ model: "tools", messages: [...question, ...talk], max_tokens: 20 }).withResponse();
			governed(response.headers, "redact");
			assert.ok(!JSON.stringify(data).includes(RRN));
		}
	},
	async "what clients send by default is no reason to refuse"() {
		await guide.chat.completions.create({ model, messages: question, max_completion_tokens: 4, user: "u", metadata: { a: "b" }, store: false,
			service_tier: "auto", reasoning_effort: "low", modalities: ["text"], n: 1, logit_bias: null, tools: null, guided_json: null });
	},
	async "bad bodies are 400 and name the member"() {
		await refused(guide.chat.completions.create({ model, messages: [] }), 400);
		await refused(guide.chat.completions.create({ model, messages: question, temperature: "hot" }), 400);
		await refused(guide.chat.completions.create({ model, messages: [{ role: "king", content: "x" }] }), 400);
		const raw = await fetch(`${BASE_URL}/v1/chat/completions`, {
			method: "POST", headers: { Authorization: `Bearer ${KEY_GUIDE}`, "Content-Type": "application/json" }, body: '{"model": "x", "messages": [' });
		assert.equal(raw.status, 400);
		assert.equal((await raw.json()).error.type, "invalid_request_error");
	},
	async "a client that leaves a stream early harms nobody"() {
		for (let round = 0; round < 5; round++) {
			const stream = await guide.chat.completions.create({ model, messages: question, stream: true });
			for await (const _ of stream) break;
			stream.controller.abort();
		}
		assert.ok((await guide.chat.completions.create({ model, messages: question, max_tokens: 4 })).choices.length === 1);
	},
	async "twenty at once each get their own answer"() {
		const answers = await Promise.all(Array.from({ length: 20 }, (_, i) =>
			guide.chat.completions.create({ model, messages: question, temperature: 0, max_tokens: 8 }, { headers: { "X-Request-ID": `r${i}` } }).withResponse()));
		assert.equal(new Set(answers.map((each) => each.response.headers.get("x-haechi-entry"))).size, 20);
		answers.forEach((each, i) => assert.equal(each.response.headers.get("x-request-id"), `r${i}`));
		assert.equal(new Set(answers.map((each) => each.data.choices[0].message.content)).size, 1);
	},
};

let failed = 0;
for (const [name, test] of Object.entries(tests)) {
	try {
		await test();
		console.log(`ok    ${name}`);
	} catch (error) {
		failed++;
		console.log(`FAIL  ${name}\n${error.stack}`);
	}
}
process.exit(failed ? 1 : 0);
