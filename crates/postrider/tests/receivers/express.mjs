// A receiver on Express that checks what it gets as the documents of Tellescope, Uplodr, Tiledesk and Telerivet
// tell their readers to: express.mjs PACKAGES SECRET. Says its port; GET /seen is what passed the check.

import { createHash, createHmac } from "node:crypto";
import { createRequire } from "node:module";

const [packages, secret] = process.argv.slice(2);
const load = createRequire(packages + "/");
const express = load("express");
const jwt = load("jsonwebtoken");
const app = express();
const seen = [];

// Passes what is right on, with what the document has a receiver answer.
function judge(right, answer) {
  return (req, res) => {
    if (!right(req)) return res.status(403).end();
    seen.push({ path: req.path, body: req.body, headers: req.headers });
    answer(res);
  };
}

const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const json = express.json({ limit: "25mb" });
app.post("/tellescope", json, judge(({ body }) => {
  const { type, message, event, records, timestamp, integrity } = body;
  const signed = type === "automation" ? message
    : type === "calendar_event_reminder" ? event.id
    : records.map((record) => record.id).join("");
  return sha256(signed + timestamp + secret) === integrity;
}, (res) => res.status(204).end()));

// The bytes as they came are what is signed; whoever parses and writes them again gets the same.
app.post("/uplodr", express.text({ type: "*/*" }), judge((req) => {
  const again = JSON.stringify(JSON.parse(req.body));
  const signature = req.headers["x-uplodr-signature"];
  return [req.body, again].every((text) => createHmac("sha256", secret).update(text).digest("hex") === signature);
}, (res) => res.status(200).end()));

app.post("/tiledesk", json, judge(({ body, headers }) => {
  if (headers["x-hook-secret"] !== secret || headers["content-type"] !== "application/json") return false;
  const claims = jwt.verify(body.token, secret, { algorithms: ["HS256"], issuer: "https://tiledesk.com", subject: "subscription" });
  return claims.aud.endsWith(body.hook._id) && !("secret" in body.hook) && typeof body.timestamp === "number";
}, (res) => res.status(200).end()));

app.post("/telerivet", express.urlencoded({ extended: true }), judge(({ body }) => body.secret === secret, (res) => {
  res.json({ messages: [{ content: "Thank you" }] });
}));

app.get("/seen", (_, res) => res.json(seen));
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
