"""A webhook after the samples of Telerivet's document that answers what the message's content asks for, well and badly.

answers.py SECRET. Says its port.
"""

import json
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="of this test alone", USE_TZ=True)
SECRET = sys.argv[1]

ANSWERS = {
    "autoreply": lambda: json.dumps({"messages": [{"content": "Thanks for your message!"}]}),
    "two": lambda: json.dumps({"messages": [
        {"content": "Zoë & 李 \U0001f680"},
        {"to_number": "*104*12312312*456#", "message_type": "ussd"},
    ]}),
    "variables": lambda: json.dumps({"variables": {
        "contact.name": "John Smith", "$foo": 42, "$half": 1.5, "$yes": True, "$none": None, "$big": 2**90,
    }}),
    "nothing": lambda: "",
    "broken": lambda: '{"messages":[{"content":"x"},]}',
    "wrong": lambda: json.dumps({"messages": [{"content": ["not", "a", "text"]}]}),
    "nested": lambda: json.dumps({"variables": {"$foo": {"a": 1}}}),
    "thousands": lambda: json.dumps({"messages": [{"content": "x"}] * 3000}),
    "huge": lambda: json.dumps({"messages": [{"content": "x" * 5_000_000}]}),
    "deep": lambda: "[" * 20_000 + "]" * 20_000,
    "text": lambda: json.dumps({"messages": [{"content": "x"}]}),
}


@csrf_exempt
def webhook(request):
    if request.POST.get("secret") != SECRET:
        return HttpResponse("Invalid webhook secret", "text/plain", 403)
    content = request.POST.get("content")
    return HttpResponse(ANSWERS[content](), "text/html" if content == "text" else "application/json")


urlpatterns = [path("", webhook)]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
