// A webhook after the samples of Telerivet's document that answers what the message's content asks for, well and
// badly: answers.mjs PACKAGES SECRET. Says its port.

import { createRequire } from "node:module";

const [packages, secret] = process.argv.slice(2);
const express = createRequire(packages + "/")("express");
const app = express();

const raw = (text) => (res) => res.type("application/json").send(text);
const answers = {
  autoreply: (res) => res.json({ messages: [{ content: "Thanks for your message!" }] }),
  two: (res) => res.json({
    messages: [{ content: "Zoë & 李 🚀" }, { to_number: "*104*12312312*456#", message_type: "ussd" }],
  }),
  variables: (res) => res.json({
    variables: { "contact.name": "John Smith", $foo: 42, $half: 1.5, $yes: true, $none: null, $big: 9007199254740991 },
  }),
  nothing: (res) => res.status(200).end(),
  broken: raw('{"messages":[{"content":"x"},]}'),
  wrong: (res) => res.json({ messages: [{ content: ["not", "a", "text"] }] }),
  nested: (res) => res.json({ variables: { $foo: { a: 1 } } }),
  thousands: (res) => res.json({ messages: Array(3000).fill({ content: "x" }) }),
  huge: (res) => res.json({ messages: [{ content: "x".repeat(5_000_000) }] }),
  deep: raw("[".repeat(20_000) + "]".repeat(20_000)),
  text: (res) => res.type("text/html").send(JSON.stringify({ messages: [{ content: "x" }] })),
};

app.post("/", express.urlencoded({ extended: true }), (req, res) => {
  if (req.body.secret !== secret) return res.status(403).end();
  answers[req.body.content](res);
});

const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
