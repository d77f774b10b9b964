"""A receiver on Django that checks what it gets as Telerivet's document tells its readers to.

django_receiver.py SECRET. Says its port; GET /seen is what passed the check.
"""

import json
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="of this test alone", USE_TZ=True)
SECRET = sys.argv[1]
seen = []


@csrf_exempt
def webhook(request):
    if request.POST.get("secret") != SECRET:
        return HttpResponse("wrong secret", "text/plain", 403)
    seen.append({"path": request.path, "body": request.POST.dict()})
    if request.POST.get("event") == "incoming_message":
        return HttpResponse(json.dumps({"messages": [{"content": "Thank you"}]}), "application/json")
    return HttpResponse(status=200)


urlpatterns = [path("telerivet", webhook), path("seen", lambda _: JsonResponse(seen, safe=False))]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
print(server.server_port, flush=True)
server.serve_forever()
