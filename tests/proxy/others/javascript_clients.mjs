// openai-node and the Vercel AI SDK: whole answers, streams, tools, structured output, errors.
import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import OpenAI from "openai";

const baseURL = `${process.env.ROUTER_ADDRESS}/v1`;
const story = "Write a short story about the sea.";
const client = new OpenAI({ baseURL, apiKey: "unused", maxRetries: 0 });

const answer = await client.chat.completions.create({ model: "auto", messages: [{ role: "user", content: story }] });
assert.match(answer.choices[0].message.content, /sentence/);

let streamed = "";
const stream = await client.chat.completions.create({
  model: "auto", stream: true, messages: [{ role: "user", content: story }],
});
for await (const chunk of stream) streamed += chunk.choices[0]?.delta?.content ?? "";
assert.equal(streamed, answer.choices[0].message.content);

const response = await client.responses.create({ model: "auto", input: story });
assert.equal(response.output_text, streamed);
const kinds = [];
for await (const event of await client.responses.create({ model: "auto", input: story, stream: true }))
  kinds.push(event.type);
assert.equal(kinds.at(-1), "response.completed");

await assert.rejects(
  client.chat.completions.create({ model: "gtp-9", messages: [{ role: "user", content: story }] }),
  (error) => error instanceof OpenAI.NotFoundError && error.code === "model_not_found" && error.requestID !== undefined,
);

const provider = createOpenAI({ baseURL, apiKey: "unused" });
for (const model of [provider.chat("auto"), provider.responses("auto")]) {
  const text = await generateText({ model, prompt: story });
  assert.equal(text.text, streamed);
  const flow = streamText({ model, prompt: story });
  let pieces = "";
  for await (const piece of flow.textStream) pieces += piece;
  assert.equal(pieces, streamed);
  const used = [];
  const round = await generateText({
    model,
    prompt: "What is the weather in Lisbon tomorrow?",
    stopWhen: stepCountIs(3),
    tools: {
      weather: tool({
        description: "The weather of a city",
        inputSchema: jsonSchema({ type: "object", properties: { city: { type: "string" } }, required: ["city"] }),
        execute: async (input) => { used.push(input.city); return "rain"; },
      }),
    },
  });
  assert.deepEqual(used, ["some city"]);
  assert.equal(round.text, streamed);
}
console.log("well");
