"""The development servers of PyPI and npm, at the versions that `install.py` pins."""

from __future__ import annotations

from zoo.clients import http
from zoo.server import Server

SLOW = "import time\ntime.sleep(2)\n"
FLASK = f"{SLOW}from flask import Flask\napp = Flask('app')\n@app.get('/')\ndef root():\n    return 'ok'\n"
WSGI = f"""{SLOW}def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
"""
ASGI = f"""{SLOW}async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": b"ok"}})
"""
DJANGO = """import os, sys
from django.conf import settings
from django.core.management import execute_from_command_line
from django.http import HttpResponse
from django.urls import path

settings.configure(DEBUG=True, SECRET_KEY="zoo", ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"])
urlpatterns = [path("", lambda request: HttpResponse("ok"))]
execute_from_command_line(sys.argv)
"""
PAGE = {"index.html": '<!doctype html><title>zoo</title><script type="module" src="main.js"></script>\n'}
PAGE |= {"main.js": "document.title += '!'\n"}
NEXT = {
    "package.json": '{"private": true}\n',
    "app/layout.js": "export default ({ children }) => <html><body>{children}</body></html>\n",
    "app/page.js": "export default () => <p>ok</p>\n",
}
WEBPACK = """module.exports = { mode: "development", entry: "./main.js",
  devServer: { static: "public", host: "127.0.0.1", port: process.env.PORT } };
"""
PARENT = "Its parent listens while the application is imported: the port counts when a connection is taken."

SERVERS = [
    Server(
        "Flask --debug",
        "flask",
        "exec flask run --debug --port $PORT",
        http(),
        version="python -c \"from importlib.metadata import version; print(version('flask'))\"",
        files={"app.py": FLASK},
        special=PARENT,
    ),
    Server(
        "Django runserver",
        "gunicorn",
        "exec python manage.py runserver $PORT",
        http(),
        version="python -m django --version",
        files={"manage.py": DJANGO},
        special="Its reloader starts the server as a child.",
    ),
    Server(
        "uvicorn --reload",
        "uvicorn",
        "exec uvicorn app:app --reload --port $PORT",
        http(),
        version="uvicorn --version",
        files={"app.py": ASGI},
        special=PARENT,
    ),
    Server(
        "gunicorn",
        "gunicorn",
        "exec gunicorn app:app --bind 127.0.0.1:$PORT --workers 2",
        http(),
        version="gunicorn --version",
        files={"app.py": WSGI},
        special="It sends READY=1 before its workers have imported the application.",
    ),
    Server(
        "granian",
        "granian",
        "exec granian app:app --interface asgi --port $PORT",
        http(),
        version="granian --version",
        files={"app.py": ASGI},
    ),
    Server(
        "Vite",
        "node",
        "exec node_modules/.bin/vite --port $PORT",
        http(),
        version="node_modules/.bin/vite --version",
        files=PAGE,
        tool="vite",
        special="It tries its port on other addresses first, and closes it again.",
    ),
    Server(
        "Parcel",
        "node",
        "exec node_modules/.bin/parcel index.html --port $PORT",
        http(),
        version="node_modules/.bin/parcel --version",
        files=PAGE,
        tool="parcel",
        special="It tries its port seconds before it listens, and closes it again.",
    ),
    Server(
        "Next",
        "node",
        "exec node_modules/.bin/next dev --port $PORT",
        http(),
        version="node_modules/.bin/next --version",
        files=NEXT,
        tool="next",
        special="It listens and says `Ready`, and builds a page at its first request, which waits for it.",
    ),
    Server(
        "webpack-dev-server",
        "node",
        "exec node_modules/.bin/webpack serve",
        http("/main.js"),
        version="node -p \"require('webpack-dev-server/package.json').version\"",
        files={"main.js": "console.log('zoo')\n", "webpack.config.js": WEBPACK, "public/empty": ""},
        tool="webpack",
        special="Requests wait until the first build is done.",
    ),
]
