"""openapi-core behind Werkzeug, for which it has a request object, before a handler that answers 200: FOLDER.

Each definition of the folder, `/NAME.yaml`, is asked about requests below `/NAME`. It ends with its standard input.
"""
import sys
import threading
import traceback
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")

from openapi_core import OpenAPI
from openapi_core.contrib.werkzeug import WerkzeugOpenAPIRequest
from openapi_core.exceptions import OpenAPIError
from openapi_core.templating.media_types.exceptions import MediaTypeNotFound
from openapi_core.templating.paths.exceptions import OperationNotFound, PathNotFound
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

# As its handlers for Flask and Django answer.
STATUS = {OperationNotFound: 405, PathNotFound: 404, MediaTypeNotFound: 415}
FOLDER = Path(sys.argv[1])
loaded = {}
lock = threading.Lock()


def definition(name):
    with lock:
        if name not in loaded:
            try:
                loaded[name] = OpenAPI.from_file_path(FOLDER / f"{name}.yaml")
            except Exception as error:
                loaded[name] = error
        return loaded[name]


@Request.application
def judge(request):
    name = request.path.split("/")[1]
    openapi = definition(name)
    if not isinstance(openapi, OpenAPI):
        return Response(repr(openapi), status=503, headers={"x-cannot-load": "1"})
    try:
        openapi.validate_request(WerkzeugOpenAPIRequest(request))
    except OpenAPIError as error:
        cause = error.__cause__ or error
        return Response(f"{error!r} {cause!r}", status=STATUS.get(type(error), STATUS.get(type(cause), 400)))
    except Exception:
        return Response(traceback.format_exc(), status=500)
    return Response("accepted")


class Quiet(WSGIRequestHandler):
    def log(self, *arguments):
        pass


server = make_server("127.0.0.1", 0, judge, threaded=True, request_handler=Quiet)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.port, flush=True)
sys.stdin.read()
