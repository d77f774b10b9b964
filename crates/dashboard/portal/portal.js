// The consumer portal: its two pages, and which one is shown.

import { api, takeKey } from "./api.js";
import { notice, show } from "./dom.js";
import { endpointPage } from "./endpoint.js";
import { endpointsPage } from "./endpoints.js";

async function page() {
  notice("");
  try {
    const ask = api(takeKey());
    const id = new URLSearchParams(location.hash.slice(1)).get("endpoint");
    await (id ? endpointPage(ask, id) : endpointsPage(ask));
  } catch (error) {
    show();
    notice(error.message);
  }
}

addEventListener("hashchange", page);
page();
