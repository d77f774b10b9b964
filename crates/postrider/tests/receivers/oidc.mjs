// A token server, and a receiver that takes only requests with one of its tokens: oidc.mjs PACKAGES.
// Says its port. POST /hook is the receiver, POST /withdraw makes it refuse the tokens that were given so far, GET /asked
// says how many were asked for.

import { createRequire } from "node:module";
import { createServer } from "node:http";
import { pathToFileURL } from "node:url";

const load = createRequire(process.argv[2] + "/");
const { default: Provider } = await import(pathToFileURL(load.resolve("oidc-provider")).href);
console.warn = console.info = () => {};

const server = createServer();
server.listen(0, "127.0.0.1", () => {
  const port = server.address().port;
  const client = (id, method) => ({
    client_id: id, client_secret: "s3cr:t%/", grant_types: ["client_credentials"], redirect_uris: [],
    response_types: [], token_endpoint_auth_method: method,
  });
  const provider = new Provider(`http://127.0.0.1:${port}`, {
    clients: [client("basic", "client_secret_basic"), client("post", "client_secret_post")],
    features: { clientCredentials: { enabled: true }, devInteractions: { enabled: false } },
    scopes: ["hooks", "more"],
    ttl: { ClientCredentials: 600 },
  });
  const given = new Map();
  let asked = 0;
  provider.on("client_credentials.saved", (token) => { asked += 1; given.set(token.jti, token.scope); });
  const oidc = provider.callback();
  server.on("request", (req, res) => {
    const answer = (status, text) => { req.resume(); req.on("end", () => { res.statusCode = status; res.end(text); }); };
    if (req.url === "/withdraw") { given.clear(); return answer(204); }
    if (req.url === "/asked") return answer(200, String(asked));
    if (req.url !== "/hook") return oidc(req, res);
    const token = /^Bearer (.+)$/.exec(req.headers.authorization ?? "")?.[1];
    return given.has(token) ? answer(200, given.get(token)) : answer(401, "no such token");
  });
  console.log(port);
});
