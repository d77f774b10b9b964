// Each line of standard input is a form; what qs, which Express reads forms with, makes of it, as a line of JSON.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const qs = createRequire(process.argv[2] + "/")("qs");
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(qs.parse(line, { depth: 50, arrayLimit: 10_000, parameterLimit: 100_000 })));
}
