// The main flows with Svix's own client for Node: svix_sdk.mjs URL KEY RECEIVER. Ends with 0 when all of it works.
// RECEIVER answers 200 to everything; the test that runs this looks at what arrived there.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [url, key, receiver, packages] = process.argv.slice(2);
const { Svix, ApiException } = createRequire(packages + "/")("svix");
const svix = new Svix(key, { serverUrl: url });

async function waitFor(what, ready) {
  for (const until = Date.now() + 20_000; Date.now() < until; await new Promise((wake) => setTimeout(wake, 20))) {
    const found = await ready();
    if (found) return found;
  }
  throw new Error(`waited in vain for ${what}`);
}

async function fails(call) {
  const error = await call().then(() => assert.fail("it worked"), (error) => error);
  assert(error instanceof ApiException, String(error));
  return error;
}

const app = await svix.application.create({ name: "Acme", uid: "acme", throttleRate: 500 });
assert.equal((await svix.application.getOrCreate({ name: "Other", uid: "acme" })).id, app.id);
assert.equal(app.throttleRate, 500);
assert(app.createdAt instanceof Date);
await svix.eventType.create({ name: "user.created", description: "A user came", featureFlags: ["beta"] });
const endpoint = await svix.endpoint.create("acme", { url: receiver, uid: "main", eventTypes: ["user.created"] });
assert.deepEqual(endpoint.eventTypes, ["user.created"]);
const patched = await svix.endpoint.patch("acme", "main", { description: "Changed", channels: null });
assert.deepEqual([patched.description, patched.eventTypes], ["Changed", ["user.created"]]);
await svix.endpoint.setHeaders("acme", "main", { headers: { "X-Team": "ops" } });
const old = (await svix.endpoint.getSecret("acme", "main")).key;
// This client doesn't read the answer.
await svix.endpoint.rotateSecret("acme", "main", {});
assert.notEqual((await svix.endpoint.getSecret("acme", "main")).key, old);

const sent = [];
for (let n = 0; n < 5; n++) {
  const message = { eventType: "user.created", payload: { n }, eventId: `ev-${n}`, tags: ["first"] };
  sent.push(await svix.message.create("acme", message, { idempotencyKey: `key-${n}`, withContent: true }));
}
const again = await svix.message.create("acme", { eventType: "user.created", payload: { n: 0 }, eventId: "ev-0", tags: ["first"] }, { idempotencyKey: "key-0" });
assert.equal(again.id, sent[0].id);
const seen = [];
for (let iterator = null, done = false; !done; ) {
  const page = await svix.message.list("acme", { limit: 2, iterator, withContent: true });
  seen.push(...page.data);
  ({ iterator, done } = page);
}
assert.deepEqual(seen.map((message) => message.payload), sent.map((message) => message.payload).reverse());

await waitFor("the attempts", async () => (await svix.endpoint.getStats("acme", "main")).success === 5);
const attempts = await svix.messageAttempt.listByEndpoint("acme", "main", { withMsg: true, limit: 10 });
assert.equal(attempts.data.length, 5);
assert.deepEqual([attempts.data[0].responseStatusCode, attempts.data[0].statusText], [200, "success"]);
assert.equal((await svix.messageAttempt.listByMsg("acme", sent[0].id)).data.length, 1);
await svix.messageAttempt.resend("acme", sent[0].id, "main");
await waitFor("the one by hand", async () => (await svix.messageAttempt.listByMsg("acme", sent[0].id)).data.length === 2);
const task = await svix.endpoint.recover("acme", "main", { since: new Date(Date.now() - 3_600_000) });
const ended = await waitFor("the job", async () => {
  const task_ = await svix.backgroundTask.get(task.id);
  return task_.status === "finished" && task_;
});
assert.equal(ended.data.done, 0);

const access = await svix.authentication.appPortalAccess("acme", {});
const token = new Svix(access.token, { serverUrl: url });
assert.equal((await token.endpoint.list("acme")).data.length, 1);
assert.equal((await fails(() => token.application.list())).code, 403);
await svix.authentication.expireAll("acme", {});
assert.equal((await fails(() => token.endpoint.list("acme"))).code, 401);

const missing = await fails(() => svix.message.get("acme", "msg_nothing"));
assert.deepEqual([missing.code, missing.body.code], [404, "not_found"]);
const invalid = await fails(() => svix.endpoint.create("acme", { url: "nowhere" }));
assert.deepEqual([invalid.code, invalid.body.detail[0].loc], [422, ["body", "url"]]);
const absent = await fails(() => svix.connector.list());
assert.deepEqual([absent.code, JSON.parse(absent.body).code], [501, "not_implemented"]);
