"""Verifies deliveries, a JSON line each on standard input, with the libraries that receivers use."""

import base64
import json
import sys

import standardwebhooks
import svix.webhooks

checked = 0
for line in sys.stdin:
    delivery = json.loads(line)
    body, headers = base64.b64decode(delivery["body"]), delivery["headers"]
    libraries = [svix.webhooks]
    if "webhook-id" in headers:
        libraries.append(standardwebhooks)
    for library in libraries:
        library.Webhook(delivery["secret"]).verify(body, headers)
        try:
            library.Webhook(delivery["secret"]).verify(body + b" ", headers)
        except library.WebhookVerificationError:
            checked += 1
        else:
            raise AssertionError(f"{library.__name__} takes a changed body")
print(checked)
