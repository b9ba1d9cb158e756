"""Development servers that choose a port of their own, and how each is told to use another.

The one list of them: `port_options` makes hints of it, `init` writes commands with it, and a page of the
reference lists them. Each option was tried with the real server (`TRIED`), or stands in its manual.
"""

from __future__ import annotations

from msgspec import Struct


class Server(Struct, frozen=True):
    """A development server. `option`: what tells it the port, behind its own arguments."""

    name: str
    words: str
    """a regular expression for the command or the program"""
    fix: str
    """a command that works"""
    option: str
    port: int = 0
    """where it listens by default, when that says something about what it is; else 0"""
    programs: str = ""
    """with `port`: a regular expression for the programs that it may run as"""
    variable: str = ""
    """the variable that tells it the port where no argument reaches it; with its value, if that is more than
    the port"""
    first: bool = False
    """its options come before its arguments"""


_NODE, _PYTHON, _RUBY = r"node|bun|deno|MainThread", "python", "ruby|puma"

SERVERS = (
    Server("Remix", r"\bremix\b", "remix vite:dev --port $PORT", "--port $PORT"),
    Server("Vite", r"\bvite\b(?!-node)", "vite --port $PORT", "--port $PORT", 5173, _NODE),
    Server("Next.js", r"\bnext\b|next-server", "next dev -p $PORT", "-p $PORT"),
    Server(
        "Create React App",
        r"\breact-scripts\b|\bcraco\b",
        "PORT=$PORT react-scripts start",
        "",
        variable="PORT",
    ),
    Server("webpack", r"\bwebpack(-dev-server)?\b", "webpack serve --port $PORT", "--port $PORT"),
    Server("Angular", r"\bng serve\b|\bng\b", "ng serve --port $PORT", "--port $PORT", 4200, _NODE),
    Server("Nuxt", r"\bnux[it]\b", "nuxt dev --port $PORT", "--port $PORT"),
    Server("Astro", r"\bastro\b", "astro dev --port $PORT", "--port $PORT", 4321, _NODE),
    Server("Gatsby", r"\bgatsby\b", "gatsby develop -p $PORT", "-p $PORT"),
    Server("Storybook", r"\bstorybook\b", "storybook dev -p $PORT", "-p $PORT", 6006, _NODE),
    Server("Parcel", r"\bparcel\b", "parcel --port $PORT", "--port $PORT", 1234, _NODE),
    Server("Eleventy", r"\beleventy\b|@11ty", "eleventy --serve --port=$PORT", "--port=$PORT"),
    Server("Django", r"\brunserver\b", "python manage.py runserver $PORT", "$PORT"),
    Server("Flask", r"\bflask\b", "flask run --port $PORT", "--port $PORT", 5000, _PYTHON, "FLASK_RUN_PORT"),
    Server("FastAPI", r"\bfastapi\b", "fastapi dev --port $PORT", "--port $PORT"),
    Server("Uvicorn", r"\buvicorn\b", "uvicorn APP --port $PORT", "--port $PORT", variable="UVICORN_PORT"),
    Server(
        "Gunicorn",
        r"\bgunicorn\b",
        "gunicorn --bind 127.0.0.1:$PORT APP",
        "--bind 127.0.0.1:$PORT",
        variable="GUNICORN_CMD_ARGS=--bind=127.0.0.1:$PORT",
    ),
    Server("Hypercorn", r"\bhypercorn\b", "hypercorn --bind 127.0.0.1:$PORT APP", "--bind 127.0.0.1:$PORT"),
    Server(
        "Streamlit",
        r"\bstreamlit\b",
        "streamlit run APP --server.port $PORT",
        "--server.port $PORT",
        8501,
        _PYTHON,
        "STREAMLIT_SERVER_PORT",
    ),
    Server("Jupyter", r"\bjupyter\b", "jupyter lab --port $PORT", "--port $PORT", 8888, _PYTHON),
    Server("http.server", r"\bhttp\.server\b", "python3 -m http.server $PORT", "$PORT"),
    Server("MkDocs", r"\bmkdocs\b", "mkdocs serve -a 127.0.0.1:$PORT", "-a 127.0.0.1:$PORT"),
    Server("Rails", r"\brails s(erver)?\b", "rails server -p $PORT", "-p $PORT"),
    Server("Puma", r"\bpuma\b", "puma -p $PORT", "-p $PORT", 9292, _RUBY),
    Server("Rack", r"\brackup\b", "rackup -p $PORT", "-p $PORT"),
    Server("Jekyll", r"\bjekyll\b", "jekyll serve --port $PORT", "--port $PORT", 4000, _RUBY),
    Server("PHP", r"\bphp[\d.]* -S\b", "php -S 127.0.0.1:$PORT", ""),
    Server("Laravel", r"\bartisan serve\b", "php artisan serve --port=$PORT", "--port=$PORT"),
    Server("Hugo", r"\bhugo\b", "hugo server --port $PORT", "--port $PORT", 1313, "hugo"),
    Server(
        "Caddy",
        r"\bcaddy file-server\b",
        "caddy file-server --listen 127.0.0.1:$PORT",
        "--listen 127.0.0.1:$PORT",
    ),
    Server("Granian", r"\bgranian\b", "granian APP --port $PORT", "--port $PORT", variable="GRANIAN_PORT"),
    Server(
        "Waitress", r"\bwaitress(-serve)?\b", "waitress-serve --port $PORT APP", "--port=$PORT", first=True
    ),
    Server("Daphne", r"\bdaphne\b", "daphne -p $PORT APP", "-p $PORT"),
    Server(
        "Litestar", r"\blitestar\b", "litestar run --port $PORT", "--port $PORT", variable="LITESTAR_PORT"
    ),
    Server("Sanic", r"\bsanic\b", "sanic APP --port $PORT", "--port $PORT"),
    Server("moto", r"\bmoto_server\b", "moto_server -p $PORT", "-p $PORT", variable="MOTO_PORT"),
    Server("Luigi", r"\bluigid\b", "luigid --port $PORT", "--port $PORT"),
    Server("aiosmtpd", r"\baiosmtpd\b", "aiosmtpd -n -l 127.0.0.1:$PORT", "-l 127.0.0.1:$PORT"),
    Server("Wrangler", r"\bwrangler\b", "wrangler dev --port $PORT", "--port $PORT"),
    Server("json-server", r"\bjson-server\b", "json-server --port $PORT FILE", "--port $PORT"),
    Server("http-server", r"\bhttp-server\b", "http-server -p $PORT", "-p $PORT"),
    Server("Docusaurus", r"\bdocusaurus\b", "docusaurus start --port $PORT", "--port $PORT"),
    Server("Quarkus", r"\bquarkus(Dev|:dev)?\b", "quarkus dev", "", variable="QUARKUS_HTTP_PORT"),
    Server(
        "Spring Boot",
        r"\bspring-boot(:run)?\b|\bbootRun\b",
        "mvn spring-boot:run",
        "",
        variable="SERVER_PORT",
    ),
)

TRIED: dict[str, str] = {
    "aiosmtpd": "1.4.6",
    "Astro": "5.18.2",
    "Caddy": "2.6.2",
    "Daphne": "4.2.3",
    "Django": "5.2.19",
    "Docusaurus": "3.10.2",
    "Eleventy": "3.1.8",
    "FastAPI": "0.165.0",
    "Flask": "3.1.3",
    "Granian": "2.8.9",
    "Gunicorn": "27.0.1",
    "http-server": "14.1.1",
    "http.server": "3.11.7",
    "Hugo": "0.168.0",
    "Hypercorn": "0.18.0",
    "json-server": "0.17.4",
    "Litestar": "2.25.0",
    "Luigi": "3.8.1",
    "MkDocs": "1.6.1",
    "moto": "5.2.5",
    "Next.js": "16.4.6",
    "Nuxt": "3.21.11",
    "Parcel": "2.16.4",
    "PHP": "8.2.36",
    "Sanic": "25.12.1",
    "Spring Boot": "3.3.5",
    "Streamlit": "1.67.0",
    "Uvicorn": "0.54.0",
    "Vite": "8.4.0",
    "Waitress": "3.0.2",
    "webpack": "5.113.0",
    "Wrangler": "4.86.0",
}
"""by name: the version with which option and variable were tried last, without PORT in its environment"""
