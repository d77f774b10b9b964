// A customer in a real browser: portal.mjs LINK RECEIVER PACKAGES SECOND. Opens the link, adds an endpoint, has an
// example sent to it, looks at what came back, and ends the endpoint; then opens SECOND, where one endpoint fails and
// one is pulled. Ends with 0 when all of it works.
// With PICTURES set to a directory, it leaves pictures of each page there, wide and narrow, light and dark.

import assert from "node:assert/strict";
import { createRequire } from "node:module";

const [link, receiver, packages, second] = process.argv.slice(2);
const puppeteer = createRequire(packages + "/")("puppeteer-core");
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const browser = await puppeteer.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const page = await browser.newPage();
const problems = [];
page.on("pageerror", (error) => problems.push(String(error)));
page.on("console", (message) => message.type() === "error" && problems.push(message.text()));
page.on("dialog", (dialog) => dialog.accept());

const text = () => page.evaluate(() => document.body.innerText);
const press = async (name) => {
  const button = await page.waitForSelector(`::-p-xpath(//*[self::button or self::a][normalize-space()="${name}"])`, { visible: true });
  await button.click();
};
const says = (words) => page.waitForFunction((words) => document.body.innerText.includes(words), { timeout: 10_000 }, words);

async function pictures(name) {
  if (!process.env.PICTURES) return;
  for (const [width, size] of [[1100, "wide"], [390, "narrow"]]) {
    for (const scheme of ["light", "dark"]) {
      await page.setViewport({ width, height: 800 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
      await page.screenshot({ path: `${process.env.PICTURES}/${name}-${size}-${scheme}.png`, fullPage: true });
    }
  }
  await page.setViewport({ width: 1100, height: 800 });
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "light" }]);
}

try {
  await page.setViewport({ width: 1100, height: 800 });
  await page.goto(link);
  await says("No endpoints yet");
  assert(!page.url().includes("key="), "the key is not left in the address");
  assert((await text()).includes("Acme"));

  await press("Add endpoint");
  await page.waitForSelector("dialog[open] input[type=url]");
  await page.type("input[type=url]", "nowhere:at/all");
  await press("Add");
  await says("url:");
  await page.$eval("input[type=url]", (input) => (input.value = ""));
  await page.type("input[type=url]", receiver);
  await page.type("dialog input[type=text]", "<b>Ours</b>");
  await page.click("dialog input[value='invoice.paid']");
  await pictures("form");
  await press("Add");
  await says("Nothing has been sent here yet");
  const seen = await text();
  assert(seen.includes("<b>Ours</b>") && seen.includes("invoice.paid"), seen);
  assert(!seen.includes("beta.only"), "an event type with a flag is not shown");

  await press("Show");
  await says("whsec_");
  await page.select("select[aria-label=Event]", "invoice.paid");
  await press("Send an example");
  await says("An example is on its way");
  await says("delivered");
  await page.waitForSelector("details summary");
  await page.click("details summary");
  await says("<script>alert(1)</script>");
  assert((await text()).includes('"id": "in_1"'), "the payload is shown");
  await pictures("endpoint");
  await press("Send again");
  await says("It is being sent again");
  await press("Disable");
  await says("disabled");
  await press("← All endpoints");
  await says("Add endpoint");
  await page.waitForFunction(() => /\d+ delivered/.test(document.body.innerText));
  await pictures("endpoints");
  await page.reload();
  await says("disabled");
  await page.click(".row");
  await press("Delete");
  await says("No endpoints yet");

  await page.evaluate(() => sessionStorage.clear());
  await page.reload();
  await says("This page opens by a link");
  await page.goto("about:blank");
  await page.goto(second);
  await says("failing");
  await says("Pulled by consumers");
  await pictures("standing");
  await press("Add endpoint");
  await press("Cancel");
  await page.click(".row ::-p-text(/down)");
  await says("Nothing but failures since");
  await says("it gets one try at a time. The next try:");
  await pictures("failing");
  await press("← All endpoints");
  await says("Nightly import");
  await page.click(".row ::-p-text(Nightly import)");
  await says("Consumers ask for what happens");
  await pictures("pulled");
  await press("Edit");
  await page.waitForSelector("dialog[open]");
  assert(!(await page.$("dialog input[type=url]")), "it has no URL to edit");
  await press("Save");
  await says("Consumers ask for what happens");

  // The refused form is an error of the network in the browser's eyes.
  const unexpected = problems.filter((problem) => !problem.includes("422"));
  assert.deepEqual(unexpected, []);
} finally {
  await browser.close();
}
