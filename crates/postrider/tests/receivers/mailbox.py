"""A mail server: says its port, then each mail that it takes as a line of JSON. The first is put off, as servers do."""

import asyncio
import email
import email.policy
import json

from aiosmtpd.smtp import SMTP


class Mailbox:
    put_off = False

    async def handle_DATA(self, server, session, envelope):
        if not self.put_off:
            self.put_off = True
            return "451 4.7.1 try again in a moment"
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        told = {
            "from": str(mail["from"]),
            "to": sorted(envelope.rcpt_tos),
            "subject": str(mail["subject"]),
            "text": mail.get_content().replace("\r\n", "\n").rstrip(),
        }
        print(json.dumps(told), flush=True)
        return "250 taken"


async def main():
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(mailbox, enable_SMTPUTF8=True), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
