"""Drives a server with Svix's own client: svix_sdk.py URL KEY. Ends with 0 when all of it works."""

import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from svix.api import (
    ApplicationIn,
    ApplicationListOptions,
    ApplicationPatch,
    EndpointHeadersIn,
    EndpointHeadersPatchIn,
    EndpointIn,
    EndpointListOptions,
    EndpointPatch,
    EndpointSecretRotateIn,
    EndpointUpsertIn,
    EventTypeIn,
    EventTypePatch,
    MessageAttemptListByEndpointOptions,
    MessageAttemptListByMsgOptions,
    MessageAttemptListAttemptedDestinationsOptions,
    MessageAttemptListAttemptedMessagesOptions,
    MessageCreateOptions,
    MessageGetOptions,
    MessageIn,
    MessageListOptions,
    MessageStatus,
    Svix,
    SvixOptions,
)
from svix.exceptions import HttpError, HTTPValidationError, WebhookVerificationError
from svix.webhooks import Webhook


class Receiver(BaseHTTPRequestHandler):
    """Keeps what comes and answers 200."""

    received: list = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.received.append((dict(self.headers.items()), body))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"thanks")

    def log_message(self, *_):
        pass


def receiver():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def wait_for(what, ready):
    until = time.monotonic() + 20
    while time.monotonic() < until:
        found = ready()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


def fails(kind, call):
    try:
        call()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was not raised")


def applications(svix):
    app = svix.application.create(ApplicationIn(name="Acme", uid="acme", metadata={"plan": "gold"}))
    assert (app.uid, app.name, app.metadata) == ("acme", "Acme", {"plan": "gold"}), app
    assert app.created_at.tzinfo is not None
    again = svix.application.get_or_create(ApplicationIn(name="Other", uid="acme"))
    assert again == app, again
    assert svix.application.get("acme") == app == svix.application.get(app.id)
    patched = svix.application.patch("acme", ApplicationPatch(name="Acme Inc"))
    assert (patched.name, patched.metadata) == ("Acme Inc", {"plan": "gold"}), patched
    upserted = svix.application.upsert("other", ApplicationIn(name="Other"))
    assert upserted.uid == "other" and upserted.id != app.id, upserted
    first = svix.application.list(ApplicationListOptions(limit=1))
    rest = svix.application.list(ApplicationListOptions(limit=1, iterator=first.iterator))
    assert {first.data[0].id, rest.data[0].id} == {app.id, upserted.id} and rest.done, (first, rest)
    svix.application.delete("other")

    taken = fails(HttpError, lambda: svix.application.create(ApplicationIn(name="Twice", uid="acme")))
    assert (taken.status_code, taken.code) == (409, "conflict") and taken.detail, taken


def event_types(svix):
    made = svix.event_type.create(EventTypeIn(name="user.created", description="A user came"))
    assert (made.name, made.archived, made.deprecated) == ("user.created", False, False), made
    assert svix.event_type.get("user.created") == made
    patched = svix.event_type.patch("user.created", EventTypePatch(description="A user is there"))
    assert patched.description == "A user is there", patched
    svix.event_type.create(EventTypeIn(name="user.left", description="A user went"))
    names = [event_type.name for event_type in svix.event_type.list().data]
    assert sorted(names) == ["user.created", "user.left"], names
    svix.event_type.delete("user.left")


def endpoints(svix, url):
    given = EndpointIn(
        url=url + "/main",
        uid="main",
        description="The first",
        event_types=["user.created"],
        channels=["blue", "red"],
        metadata={"team": "ops"},
        headers={"X-Team": "ops", "Authorization": "Bearer hidden"},
    )
    made = svix.endpoint.create("acme", given)
    assert (made.url, made.uid, made.disabled) == (url + "/main", "main", False), made
    assert (made.event_types, set(made.channels)) == (["user.created"], {"blue", "red"}), made
    assert made.metadata == {"team": "ops"}, made
    assert svix.endpoint.get("acme", "main") == made == svix.endpoint.get("acme", made.id)
    assert svix.endpoint.list("acme", EndpointListOptions(limit=10)).data == [made]

    upsert = EndpointUpsertIn(url=url + "/main", uid="main", description="Changed", metadata={"team": "dev"})
    changed = svix.endpoint.upsert("acme", "main", upsert)
    assert (changed.id, changed.description, changed.event_types) == (made.id, "Changed", None), changed
    patched = svix.endpoint.patch("acme", "main", EndpointPatch(event_types=["user.created"], disabled=False))
    assert (patched.event_types, patched.description) == (["user.created"], "Changed"), patched
    assert patched.updated_at >= made.updated_at

    headers = svix.endpoint.get_headers("acme", "main")
    assert headers.headers == {"X-Team": "ops"} and headers.sensitive == ["Authorization"], headers
    svix.endpoint.set_headers("acme", "main", EndpointHeadersIn(headers={"X-Team": "dev", "X-Old": "1"}))
    patch = EndpointHeadersPatchIn(headers={"X-New": "2"}, delete_headers=["X-Old"])
    svix.endpoint.patch_headers("acme", "main", patch)
    headers = svix.endpoint.get_headers("acme", "main")
    assert headers.headers == {"X-Team": "dev", "X-New": "2"} and headers.sensitive == [], headers

    old = svix.endpoint.get_secret("acme", "main").key
    assert old.startswith("whsec_"), old
    rotated = svix.endpoint.rotate_secret("acme", "main", EndpointSecretRotateIn())
    new = svix.endpoint.get_secret("acme", "main").key
    assert new == rotated.key != old and new.startswith("whsec_"), new

    gone = svix.endpoint.create("acme", EndpointIn(url=url + "/gone"))
    svix.endpoint.delete("acme", gone.id)
    assert fails(HttpError, lambda: svix.endpoint.get("acme", gone.id)).status_code == 404
    return made, old, new


def messages(svix):
    sent = []
    for n in range(5):
        message = MessageIn(event_type="user.created", payload={"n": n}, event_id=f"ev-{n}", channels=["blue"])
        options = MessageCreateOptions(idempotency_key=f"key-{n}", with_content=True)
        made = svix.message.create("acme", message, options)
        assert (made.payload, made.event_id, made.channels) == ({"n": n}, f"ev-{n}", ["blue"]), made
        assert svix.message.create("acme", message, options) == made
        sent.append(made)
    assert svix.message.create("acme", MessageIn(event_type="other.event", payload={})).payload == {}

    pages, iterator = [], None
    while True:
        options = MessageListOptions(limit=2, iterator=iterator, event_types=["user.created"], with_content=True)
        page = svix.message.list("acme", options)
        pages.append(page.data)
        iterator = page.iterator
        if page.done:
            break
        assert len(pages) < 5, pages
    assert [len(page) for page in pages] == [2, 2, 1], pages
    assert [message for page in pages for message in page] == sent[::-1]

    got = svix.message.get("acme", sent[0].id)
    assert (got.id, got.payload) == (sent[0].id, {}), got
    assert svix.message.get("acme", sent[0].id, MessageGetOptions(with_content=True)) == sent[0]
    return sent


def attempts(svix, endpoint, sent):
    def by_message(message):
        options = MessageAttemptListByMsgOptions(status=MessageStatus.SUCCESS, with_content=True)
        return svix.message_attempt.list_by_msg("acme", message.id, options).data

    for message in sent:
        (attempt,) = wait_for("an attempt", lambda: by_message(message))
        assert (attempt.msg_id, attempt.endpoint_id) == (message.id, endpoint.id), attempt
        assert (attempt.response, attempt.response_status_code, attempt.trigger_type) == ("thanks", 200, 0), attempt
        assert svix.message_attempt.get("acme", message.id, attempt.id) == attempt

    options = MessageAttemptListByEndpointOptions(limit=2)
    page = svix.message_attempt.list_by_endpoint("acme", "main", options)
    assert len(page.data) == 2 and not page.done, page
    options = MessageAttemptListByEndpointOptions(limit=10, iterator=page.iterator)
    assert len(svix.message_attempt.list_by_endpoint("acme", "main", options).data) == 3
    failed = MessageAttemptListByEndpointOptions(status=MessageStatus.FAIL)
    assert svix.message_attempt.list_by_endpoint("acme", "main", failed).data == []

    options = MessageAttemptListAttemptedDestinationsOptions(limit=10)
    (destination,) = svix.message_attempt.list_attempted_destinations("acme", sent[0].id, options).data
    assert (destination.id, destination.status) == (endpoint.id, MessageStatus.SUCCESS), destination
    options = MessageAttemptListAttemptedMessagesOptions(limit=10, with_content=True)
    attempted = svix.message_attempt.list_attempted_messages("acme", "main", options).data
    assert [(row.id, row.payload) for row in attempted] == [(row.id, row.payload) for row in sent[::-1]], attempted

    svix.message_attempt.resend("acme", sent[0].id, "main")
    both = wait_for("the attempt by hand", lambda: len(by_message(sent[0])) == 2 and by_message(sent[0]))
    assert [attempt.trigger_type for attempt in both] == [1, 0], both


def webhooks(old, new):
    assert len(Receiver.received) == 6, len(Receiver.received)
    for headers, body in Receiver.received:
        assert headers["x-team"] == "dev" and headers["x-new"] == "2", headers
        # After a rotation both secrets are good for a while.
        Webhook(new).verify(body, headers)
        Webhook(old).verify(body, headers)
    headers, body = Receiver.received[0]
    fails(WebhookVerificationError, lambda: Webhook(new).verify(body + b" ", headers))


def errors(svix, url):
    missing = fails(HttpError, lambda: svix.message.get("acme", "msg_nothing"))
    assert (missing.status_code, missing.code) == (404, "not_found") and missing.detail, missing
    stranger = Svix("wrong-key", SvixOptions(server_url=url))
    refused = fails(HttpError, lambda: stranger.application.list())
    assert (refused.status_code, refused.code) == (401, "authentication_failed"), refused
    twice = MessageIn(event_type="user.created", payload={}, event_id="ev-1")
    assert fails(HttpError, lambda: svix.message.create("acme", twice)).status_code == 409
    wrong = EndpointIn(url="nowhere", event_types=["not registered"])
    invalid = fails(HTTPValidationError, lambda: svix.endpoint.create("acme", wrong))
    assert invalid.status_code == 422, invalid
    places = {tuple(problem.loc) for problem in invalid.detail}
    assert places == {("body", "url"), ("body", "eventTypes", "0")}, places
    assert all(problem.msg and problem.type for problem in invalid.detail), invalid


def main():
    url, key = sys.argv[1:]
    svix = Svix(key, SvixOptions(server_url=url))
    here = receiver()
    applications(svix)
    event_types(svix)
    endpoint, old, new = endpoints(svix, here)
    sent = messages(svix)
    attempts(svix, endpoint, sent)
    webhooks(old, new)
    errors(svix, url)
    svix.application.delete("acme")
    assert fails(HttpError, lambda: svix.application.get("acme")).status_code == 404


main()
