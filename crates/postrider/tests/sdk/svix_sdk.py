"""Drives a server with Svix's own client: svix_sdk.py URL KEY sync|async. Ends with 0 when all of it works.

The same for both major versions of the client, which differ in some names.
"""

import asyncio
import importlib
import inspect
import json
import sys
import threading
import time
import urllib.request
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from svix import api, models
from svix.api import (
    ApplicationIn,
    ApplicationListOptions,
    ApplicationPatch,
    ApplicationTokenExpireIn,
    AppPortalAccessIn,
    BackgroundTaskListOptions,
    EndpointHeadersIn,
    EndpointHeadersPatchIn,
    EndpointIn,
    EndpointListOptions,
    EndpointPatch,
    EndpointSecretRotateIn,
    EventExampleIn,
    EventTypeIn,
    EventTypePatch,
    MessageAttemptListAttemptedDestinationsOptions,
    MessageAttemptListAttemptedMessagesOptions,
    MessageAttemptListByEndpointOptions,
    MessageAttemptListByMsgOptions,
    MessageCreateOptions,
    MessageGetOptions,
    MessageIn,
    MessageListOptions,
    MessageStatus,
    RecoverIn,
    ReplayIn,
    Svix,
    SvixAsync,
    SvixOptions,
)
from svix.exceptions import HttpError, HTTPValidationError, WebhookVerificationError
from svix.webhooks import Webhook

V2 = hasattr(api, "EndpointUpsertIn")
Upsert = api.EndpointUpsertIn if V2 else api.EndpointUpdate


def types(names):
    """The event types of an endpoint, by the name of this version."""
    return {"event_types" if V2 else "filter_types": names}


def types_of(endpoint):
    return endpoint.event_types if V2 else endpoint.filter_types


def rate(number):
    return {"throttle_rate" if V2 else "rate_limit": number}


def rate_of(row):
    return row.throttle_rate if V2 else row.rate_limit


def upsert(group):
    return group.upsert if V2 else group.update


class Blocking:
    """The asynchronous client, called as if it were the other one."""

    loop = asyncio.new_event_loop()

    def __init__(self, inner):
        self.inner = inner

    def __getattr__(self, name):
        inner = getattr(self.inner, name)
        if not inspect.ismethod(inner):
            return Blocking(inner)

        def call(*args, **kwargs):
            return self.loop.run_until_complete(inner(*args, **kwargs))

        return call


def connect(key, url, mode):
    options = SvixOptions(server_url=url)
    return Svix(key, options) if mode == "sync" else Blocking(SvixAsync(key, options))


class Receiver(BaseHTTPRequestHandler):
    """Keeps what comes and answers 200."""

    received: list = []

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path == "/main":
            self.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
        self.send_response(500 if self.path == "/broken" else 200)
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
    given = ApplicationIn(name="Acme", uid="acme", metadata={"plan": "gold"}, **rate(500))
    app = svix.application.create(given)
    assert (app.uid, app.name, app.metadata) == ("acme", "Acme", {"plan": "gold"}), app
    assert rate_of(app) == app.throttle_rate == 500, app
    assert app.created_at.tzinfo is not None
    again = svix.application.get_or_create(ApplicationIn(name="Other", uid="acme"))
    assert again == app, again
    assert svix.application.get("acme") == app == svix.application.get(app.id)
    patched = svix.application.patch("acme", ApplicationPatch(name="Acme Inc", throttle_rate=None))
    assert (patched.name, patched.metadata) == ("Acme Inc", {"plan": "gold"}), patched
    assert patched.throttle_rate is None, patched
    upserted = upsert(svix.application)("other", ApplicationIn(name="Other"))
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
    given = EventTypeIn(name="user.left", description="A user went", feature_flags=["beta"], group_name="user")
    left = svix.event_type.create(given)
    assert (left.feature_flags, left.group_name) == (["beta"], "user"), left
    names = [event_type.name for event_type in svix.event_type.list().data]
    assert sorted(names) == ["user.created", "user.left"], names
    svix.event_type.delete("user.left")
    change = (api.EventTypeUpsertIn if hasattr(api, "EventTypeUpsertIn") else api.EventTypeUpdate)(description="New")
    assert upsert(svix.event_type)("user.new", change).name == "user.new"
    svix.event_type.delete("user.new")


def endpoints(svix, url):
    given = EndpointIn(
        url=url + "/main",
        uid="main",
        description="The first",
        **types(["user.created"]),
        channels=["blue", "red"],
        metadata={"team": "ops"},
        headers={"X-Team": "ops", "Authorization": "Bearer hidden"},
    )
    made = svix.endpoint.create("acme", given)
    assert (made.url, made.uid, made.disabled) == (url + "/main", "main", False), made
    assert (types_of(made), set(made.channels)) == (["user.created"], {"blue", "red"}), made
    assert made.metadata == {"team": "ops"}, made
    assert svix.endpoint.get("acme", "main") == made == svix.endpoint.get("acme", made.id)
    assert svix.endpoint.list("acme", EndpointListOptions(limit=10)).data == [made]

    change = Upsert(url=url + "/main", uid="main", description="Changed", metadata={"team": "dev"}, **rate(500))
    changed = upsert(svix.endpoint)("acme", "main", change)
    assert (changed.id, changed.description, types_of(changed)) == (made.id, "Changed", None), changed
    assert rate_of(changed) == 500, changed
    change = EndpointPatch(**types(["user.created"]), **rate(None), disabled=False)
    patched = svix.endpoint.patch("acme", "main", change)
    assert (types_of(patched), patched.description) == (["user.created"], "Changed"), patched
    assert rate_of(patched) is None, patched
    assert patched.updated_at >= made.updated_at

    headers = svix.endpoint.get_headers("acme", "main")
    assert headers.headers == {"X-Team": "ops"} and headers.sensitive == ["Authorization"], headers
    set_headers = svix.endpoint.set_headers if V2 else svix.endpoint.update_headers
    set_headers("acme", "main", EndpointHeadersIn(headers={"X-Team": "dev", "X-Old": "1"}))
    svix.endpoint.patch_headers("acme", "main", EndpointHeadersPatchIn(headers={"X-New": "2"}))
    svix.endpoint.patch_headers("acme", "main", remove_header("X-Old"))
    headers = svix.endpoint.get_headers("acme", "main")
    assert headers.headers == {"X-Team": "dev", "X-New": "2"} and headers.sensitive == [], headers

    old = svix.endpoint.get_secret("acme", "main").key
    assert old.startswith("whsec_"), old
    rotated = svix.endpoint.rotate_secret("acme", "main", EndpointSecretRotateIn())
    new = svix.endpoint.get_secret("acme", "main").key
    assert new != old and new.startswith("whsec_"), new
    # Older versions don't read the answer.
    assert not V2 or rotated.key == new, rotated

    gone = svix.endpoint.create("acme", EndpointIn(url=url + "/gone"))
    svix.endpoint.delete("acme", gone.id)
    assert fails(HttpError, lambda: svix.endpoint.get("acme", gone.id)).status_code == 404
    return made, old, new


def remove_header(name):
    if "delete_headers" in EndpointHeadersPatchIn.model_fields:
        return EndpointHeadersPatchIn(headers={}, delete_headers=[name])
    return EndpointHeadersPatchIn(headers={name: None})


def messages(svix):
    sent = []
    for n in range(5):
        message = MessageIn(event_type="user.created", payload={"n": n}, event_id=f"ev-{n}", channels=["blue"], tags=["first"])
        options = MessageCreateOptions(idempotency_key=f"key-{n}", with_content=True)
        made = svix.message.create("acme", message, options)
        assert (made.payload, made.event_id, made.channels) == ({"n": n}, f"ev-{n}", ["blue"]), made
        assert made.tags == ["first"], made
        assert svix.message.create("acme", message, options) == made
        sent.append(made)
    other = svix.message.create("acme", MessageIn(event_type="other.event", payload={}, tags=["second"]))
    assert other.payload == {}
    tagged = svix.message.list("acme", MessageListOptions(tag="second", with_content=True)).data
    assert [message.id for message in tagged] == [other.id], tagged
    soon = datetime.now(timezone.utc) + timedelta(minutes=1)
    assert svix.message.list("acme", MessageListOptions(after=soon)).data == []
    assert len(svix.message.list("acme", MessageListOptions(before=soon)).data) == 6

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
    # Newer versions leave the payload out unless they are asked for it.
    assert (got.id, got.payload) == (sent[0].id, {} if V2 else {"n": 0}), got
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

    stats = svix.endpoint.get_stats("acme", "main")
    assert (stats.success, stats.pending, stats.fail, stats.sending, stats.canceled) == (5, 0, 0, 0, 0), stats

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


def examples_and_expunge(svix):
    sent = svix.endpoint.send_example("acme", "main", EventExampleIn(event_type="svix.ping"))
    assert sent.payload == {"success": True}, sent
    (attempt,) = wait_for("the example", lambda: svix.message_attempt.list_by_msg("acme", sent.id).data)
    svix.message.expunge_content("acme", sent.id)
    assert svix.message.get("acme", sent.id, MessageGetOptions(with_content=True)).payload == {"expired": True}
    svix.message_attempt.expunge_content("acme", sent.id, attempt.id)
    assert svix.message_attempt.get("acme", sent.id, attempt.id).response == "EXPUNGED"


def background_tasks(svix, url):
    broken = svix.endpoint.create("acme", EndpointIn(url=url + "/broken", uid="broken", **types(["user.created"])))
    message = svix.message.create("acme", MessageIn(event_type="user.created", payload={"n": 99}))
    failed = MessageAttemptListByEndpointOptions(status=MessageStatus.FAIL)
    wait_for("a failure", lambda: svix.message_attempt.list_by_endpoint("acme", "broken", failed).data)
    svix.endpoint.patch("acme", "broken", EndpointPatch(url=url + "/mended", disabled=True))
    # Its retry ends with that.
    wait_for("the end of the retry", lambda: svix.endpoint.get_stats("acme", "broken").canceled == 1)
    svix.endpoint.patch("acme", "broken", EndpointPatch(disabled=False))
    yesterday = datetime.now(timezone.utc) - timedelta(days=1)
    for task in [
        svix.endpoint.recover("acme", "broken", RecoverIn(since=yesterday)),
        svix.endpoint.replay_missing("acme", "broken", ReplayIn(since=yesterday)),
    ]:
        done = wait_for("the job", lambda: ended(svix, task.id))
        assert done.status == "finished" and done.task == task.task, done
        assert done.data["toDo"] == 0 and done.data["done"] >= 1, done
    if hasattr(models, "BulkReplayIn"):
        task = svix.endpoint.bulk_replay("acme", "broken", models.BulkReplayIn(since=yesterday, status=MessageStatus.SUCCESS))
        done = wait_for("the job", lambda: ended(svix, task.id))
        assert (done.status, done.task) == ("finished", "endpoint.bulk-replay"), done
    if hasattr(svix.endpoint, "get_attempt_stats"):
        assert svix.endpoint.get_attempt_stats("acme", "broken").fail >= 1
    usage = models.AppUsageStatsIn(since=yesterday, until=datetime.now(timezone.utc), app_ids=["acme", "nobody"])
    made = svix.statistics.aggregate_app_stats(usage)
    assert made.unresolved_app_ids == ["nobody"], made
    done = wait_for("the job", lambda: ended(svix, made.id))
    assert done.data["appStats"][0]["appUid"] == "acme" and done.data["appStats"][0]["messageDestinations"] > 1, done
    listing = svix.statistics.aggregate_event_types()
    done = wait_for("the job", lambda: ended(svix, listing.id))
    assert done.data["event_types"][0]["hasCatchAllEndpoint"] in (True, False), done
    if hasattr(svix.message, "precheck"):
        assert svix.message.precheck("acme", models.MessagePrecheckIn(event_type="user.created")).active
    if hasattr(svix.message, "bulk_expunge_content"):
        gone = svix.message.bulk_expunge_content("acme", models.BulkExpungeContentsIn(ids=["msg_nothing"]))
        assert gone.results["msg_nothing"] == "not-found", gone
    listed = svix.background_task.list(BackgroundTaskListOptions(limit=1))
    assert len(listed.data) == 1 and not listed.done, listed
    arrived = MessageAttemptListByMsgOptions(endpoint_id=broken.id, status=MessageStatus.SUCCESS)
    wait_for("what was recovered", lambda: svix.message_attempt.list_by_msg("acme", message.id, arrived).data)
    svix.endpoint.delete("acme", "broken")


def ended(svix, task):
    found = svix.background_task.get(task)
    return found if found.status != "running" else None


def authentication(svix, url, mode):
    access = svix.authentication.app_portal_access("acme", AppPortalAccessIn(feature_flags=["beta"]))
    assert access.url.startswith(url + "/portal#key=") and access.token, access
    token = connect(access.token, url, mode)
    assert [endpoint.uid for endpoint in token.endpoint.list("acme").data] == ["main"]
    assert fails(HttpError, lambda: token.application.list()).status_code == 403
    upsert(svix.application)("elsewhere", ApplicationIn(name="Other"))
    assert fails(HttpError, lambda: token.endpoint.list("elsewhere")).status_code == 404
    token.authentication.logout()
    assert fails(HttpError, lambda: token.endpoint.list("acme")).status_code == 401
    others = [svix.authentication.app_portal_access("acme", AppPortalAccessIn()).token]
    if not V2:
        others.append(svix.authentication.dashboard_access("acme").token)
    others = [connect(other, url, mode) for other in others]
    for other in others:
        other.endpoint.list("acme")
    svix.authentication.expire_all("acme", ApplicationTokenExpireIn())
    for other in others:
        assert fails(HttpError, lambda: other.endpoint.list("acme")).status_code == 401


def operational_webhooks(svix, url):
    group = svix.operational_webhook.endpoint
    given = models.OperationalWebhookEndpointIn(url=url + "/ops", uid="ops", **types(["endpoint.disabled"]))
    made = group.create(given)
    assert [endpoint.id for endpoint in group.list().data] == [made.id]
    assert types_of(group.get("ops")) == ["endpoint.disabled"]
    before = group.get_secret("ops").key
    group.rotate_secret("ops", models.OperationalWebhookEndpointSecretIn())
    assert group.get_secret("ops").key != before
    headers = models.OperationalWebhookEndpointHeadersIn(headers={"X-Own": "1"})
    (group.set_headers if V2 else group.update_headers)("ops", headers)
    assert group.get_headers("ops").headers == {"X-Own": "1"}
    name = "OperationalWebhookEndpointUpsertIn" if V2 else "OperationalWebhookEndpointUpdate"
    put = getattr(models, name)
    changed = upsert(group)("ops", put(url=url + "/ops2", uid="ops"))
    assert (changed.url, types_of(changed)) == (url + "/ops2", None)
    group.delete("ops")
    assert group.list().data == []


def polling(svix, url, key):
    # The client's own form of an endpoint needs a URL, so this one is made without it.
    made = urllib.request.Request(
        url + "/api/v1/app/acme/endpoint",
        json.dumps({"poll": True, "uid": "queue"}).encode(),
        {"Authorization": "Bearer " + key, "Content-Type": "application/json"},
    )
    urllib.request.urlopen(made).close()
    ids = [svix.message.create("acme", MessageIn(event_type="user.created", payload={"n": n})).id for n in range(3)]
    poller = svix.message.poller
    options = importlib.import_module("svix.api.message_poller")
    page = poller.consumer_poll("acme", "queue", "one", options.MessagePollerConsumerPollOptions(limit=2))
    assert ([row.id for row in page.data], page.done) == (ids[:2], False), page
    rest = poller.consumer_poll("acme", "queue", "one", options.MessagePollerConsumerPollOptions(iterator=page.iterator))
    assert ([row.payload["n"] for row in rest.data], rest.done) == ([2], True), rest
    assert [row.id for row in poller.poll("acme", "queue").data] == ids
    moved = poller.consumer_seek(
        "acme", "queue", "one", models.PollingEndpointConsumerSeekIn(after=datetime(2020, 1, 1, tzinfo=timezone.utc))
    )
    assert moved.iterator and len(poller.consumer_poll("acme", "queue", "one").data) == 3
    svix.endpoint.delete("acme", "queue")


def integrations(svix, url, mode):
    made = svix.integration.create("acme", models.IntegrationIn(name="Flows"))
    assert svix.integration.get("acme", made.id) == made and svix.integration.list("acme").data == [made]
    key = svix.integration.rotate_key("acme", made.id).key
    flows = connect(key, url, mode)
    assert [endpoint.uid for endpoint in flows.endpoint.list("acme").data] == ["main"]
    changed = svix.integration.update("acme", made.id, models.IntegrationUpdate(name="Other"))
    assert (changed.id, changed.name) == (made.id, "Other"), changed
    svix.integration.delete("acme", made.id)
    assert fails(HttpError, lambda: flows.endpoint.list("acme")).status_code == 401


def environments(svix):
    webhook = {"post": {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}}
    info = {"title": "Users", "version": "1"}
    spec = {"openapi": "3.1.0", "info": info, "webhooks": {"user.imported": webhook}}
    given = models.EventTypeImportOpenApiIn(spec=spec)
    assert svix.event_type.import_openapi(given).data.modified == ["user.imported"]
    export = svix.environment.export()
    assert "user.imported" in [event_type.name for event_type in export.event_types], export
    svix.event_type.delete("user.imported", api.EventTypeDeleteOptions(expunge=True))
    kept = [EventTypeIn(**event_type.model_dump()) for event_type in export.event_types]
    svix.environment.import_(models.EnvironmentIn(event_types=kept, settings=export.settings))
    assert svix.event_type.get("user.imported").schemas == {"1": {"type": "object"}}


def purge(svix):
    task = svix.message.expunge_all_contents("acme")
    done = wait_for("the job", lambda: ended(svix, task.id))
    assert (done.status, done.task) == ("finished", "application.purge_content"), done
    newest = svix.message.list("acme", MessageListOptions(limit=1, with_content=True)).data[0]
    assert newest.payload == {"expired": True}, newest


def what_is_not_here(svix):
    for call in [
        lambda: svix.connector.list(),
        lambda: svix.ingest.source.list(),
    ]:
        error = fails(HttpError, call)
        assert (error.status_code, error.code) == (501, "not_implemented"), error


def errors(svix, url, mode):
    missing = fails(HttpError, lambda: svix.message.get("acme", "msg_nothing"))
    assert (missing.status_code, missing.code) == (404, "not_found") and missing.detail, missing
    stranger = connect("wrong-key", url, mode)
    refused = fails(HttpError, lambda: stranger.application.list())
    assert (refused.status_code, refused.code) == (401, "authentication_failed"), refused
    twice = MessageIn(event_type="user.created", payload={}, event_id="ev-1")
    assert fails(HttpError, lambda: svix.message.create("acme", twice)).status_code == 409
    wrong = EndpointIn(url="nowhere", **types(["not registered"]))
    invalid = fails(HTTPValidationError, lambda: svix.endpoint.create("acme", wrong))
    assert invalid.status_code == 422, invalid
    places = {tuple(problem.loc) for problem in invalid.detail}
    # By the name that was given.
    name = "filterTypes" if "filter_types" in types([]) else "eventTypes"
    assert places == {("body", "url"), ("body", name, "0")}, places
    assert all(problem.msg and problem.type for problem in invalid.detail), invalid


def main():
    url, key, mode = sys.argv[1:]
    svix = connect(key, url, mode)
    svix.health.get()
    here = receiver()
    applications(svix)
    event_types(svix)
    endpoint, old, new = endpoints(svix, here)
    sent = messages(svix)
    attempts(svix, endpoint, sent)
    webhooks(old, new)
    examples_and_expunge(svix)
    background_tasks(svix, here)
    authentication(svix, url, mode)
    operational_webhooks(svix, here)
    polling(svix, url, key)
    integrations(svix, url, mode)
    environments(svix)
    purge(svix)
    what_is_not_here(svix)
    errors(svix, url, mode)
    svix.application.delete("acme")
    assert fails(HttpError, lambda: svix.application.get("acme")).status_code == 404


main()
