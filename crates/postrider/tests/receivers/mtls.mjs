// A receiver over TLS that takes only clients with a certificate of an authority:
// mtls.mjs DIRECTORY (with server.pem, server-key.pem and authority.pem). Says its port, and answers with the name in
// the client's certificate.

import { readFileSync } from "node:fs";
import { createServer } from "node:https";

const read = (name) => readFileSync(`${process.argv[2]}/${name}`);
const options = {
  cert: read("server.pem"), key: read("server-key.pem"), ca: read("authority.pem"),
  requestCert: true, rejectUnauthorized: true,
};
const server = createServer(options, (req, res) => {
  req.resume();
  req.on("end", () => res.end(req.socket.getPeerCertificate().subjectaltname));
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
