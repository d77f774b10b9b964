// Verifies deliveries, a JSON line each on standard input, with the libraries that receivers use; those of an
// asymmetric key with Node's own ed25519.

import assert from "node:assert/strict";
import { createPublicKey, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

const load = createRequire(process.argv[2] + "/");
let checked = 0;

function ed25519(secret, body, headers) {
  // A raw public key, in the wrapping that Node reads: SubjectPublicKeyInfo of ed25519.
  const raw = Buffer.from(secret.slice("whpk_".length), "base64");
  const der = Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]);
  const key = createPublicKey({ key: der, format: "der", type: "spki" });
  const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`), body]);
  const [version, signature] = headers["webhook-signature"].split(",");
  assert.equal(version, "v1a");
  return verify(null, signed, key, Buffer.from(signature, "base64"));
}

for (const line of readFileSync(0, "utf8").trim().split("\n")) {
  const { secret, headers, ...delivery } = JSON.parse(line);
  const body = Buffer.from(delivery.body, "base64");
  const changed = Buffer.concat([body, Buffer.from(" ")]);
  if (secret.startsWith("whpk_")) {
    assert(ed25519(secret, body, headers) && !ed25519(secret, changed, headers));
    checked++;
    continue;
  }
  for (const library of "webhook-id" in headers ? ["svix", "standardwebhooks"] : ["svix"]) {
    const webhook = new (load(library).Webhook)(secret);
    webhook.verify(body, headers);
    assert.throws(() => webhook.verify(changed, headers));
    checked++;
  }
}
console.log(checked);
