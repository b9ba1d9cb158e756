"""The tables of `locald.toml`: which keys there are, what each means, and what it holds.

These tables are the one source of four things: what is accepted, the JSON Schema, the reference in
docs/reference/file.md, and what `config show` lists. A key is added here and nowhere else, but for its
field in `spec.ServiceSpec`, which the rest of locald works with.

A table keeps only the keys that were written: defaults live in `spec`, so that they
are stated once, and `Doc.default` is what a person reads about them (a test holds the two together).
What concerns more than one key is not judged here but in `rules`.
"""

from locald.domain.project.config import instead
from locald.domain.project.config.checks import HealthCheckValue
from locald.domain.project.config.kinds import (
    Boolean,
    Command,
    Domain,
    Domains,
    Duration,
    Environment,
    Files,
    Image,
    Name,
    Names,
    Port,
    Signal,
    Size,
    Text,
    Volumes,
    ZeroOrMore,
    choice,
)
from locald.domain.project.config.shapes import Entries, Items, Shaped
from locald.domain.project.config.table import Doc, Key, Table, TableOf
from locald.domain.project.config.watching import WatchValue
from locald.domain.project.spec import (
    Condition,
    Engine,
    KillMode,
    ProjectSpec,
    RestartPolicy,
    Sampling,
    ServiceSpec,
    StandardInput,
    Type,
)


def _conditions(value: list[str] | dict[str, Condition]) -> dict[str, Condition]:
    return value if isinstance(value, dict) else dict.fromkeys(value, Condition.HEALTHY)


_CONDITIONS = {
    "ready": "healthy",
    "running": "started",
    "service_healthy": "healthy",
    "service_started": "started",
    "service_completed_successfully": "completed",
    "done": "completed",
    "process_completed": "completed",
}
_TYPES = {
    **dict.fromkeys(("service", "web", "server", "http", "app", "process", "simple", "command"), "exec"),
    **dict.fromkeys(("background", "daemon", "queue", "consumer"), "worker"),
    **dict.fromkeys(("job", "oneshot", "once", "script", "migration"), "task"),
    **dict.fromkeys(("docker", "image", "podman", "compose"), "container"),
}
_ENGINES = {
    **dict.fromkeys(("here", "docker", "podman", "machine", "localhost", "none"), "local"),
    **dict.fromkeys(("docker-swarm", "swarmkit", "stack"), "swarm"),
    **dict.fromkeys(("k8s", "kube", "kubectl", "cluster", "kind", "minikube"), "kubernetes"),
    **dict.fromkeys(("systemctl", "systemd-user", "units", "unit"), "systemd"),
}
_POLICIES = {
    "never": "no",
    "none": "no",
    "false": "no",
    "unless-stopped": "always",
    "true": "always",
    "on-error": "on-failure",
}
_KILL_MODES = {
    **dict.fromkeys(("control-group", "group", "cgroup", "tree"), "all"),
    **dict.fromkeys(("process", "main", "leader"), "mixed"),
}
_INPUTS = {
    **dict.fromkeys(("null", "none", "/dev/null", "devnull", "closed", "close", "false"), "empty"),
    **dict.fromkeys(("pipe", "keep", "keep-open", "inherit", "true"), "open"),
    **dict.fromkeys(("tty", "pty", "interactive", "console"), "terminal"),
}
"""what other tools call these"""

ConditionName = choice("a condition", Condition, Condition, _CONDITIONS)

DependsOn = Shaped(
    "a list of names or a table of conditions",
    {list: Items(Text), dict: Entries(Text, ConditionName)},
    _conditions,
    instead.names,
)


class ServiceTable(Table):
    """One service: what is run, and what it takes to be ready."""

    type = Key(
        choice("a type of service", Type, Type, _TYPES),
        Doc(
            "The kind of service: `exec`, a process with a port; `worker`, a process without one; "
            "`task`, a process that runs to completion; `container`, an image run by Docker.",
            'type = "worker"',
            otherwise="`container` with `image`, else `exec`",
        ),
    )
    command = Key(
        Command,
        Doc(
            "The command to run: a string by `sh -c`, so that `$PORT`, pipes and `&&` work; a list directly, "
            "each string an argument as it stands. `${services.NAME.port}`, `.host`, `.url` and `.https_url` "
            "are filled in as in `env`. With `image`, the container's command.",
            'command = "npm run dev"',
            otherwise="required without `image`; with `image`, what the image says",
        ),
    )
    image = Key(
        Image,
        Doc(
            "The image of a container. It is pulled if missing.",
            'image = "postgres:16"',
            otherwise="none; required for `container`",
        ),
    )
    container_port = Key(
        Port,
        Doc(
            "The port inside the container, published on the service's port on 127.0.0.1.",
            "container_port = 5432",
            otherwise="the port that the image exposes, if it is one",
        ),
    )
    volumes = Key(
        Volumes,
        Doc(
            "Volumes of a container: `SOURCE:/PATH/IN/CONTAINER`, with `:ro` behind it to only read. A "
            "source that begins with `.` or `/` is a folder, relative to `locald.toml`; else it is the name "
            "of a volume of this project and instance (`locald_shop_data`), or with `external:` before it of "
            "one of the engine's own.",
            'volumes = ["./data:/var/lib/postgresql/data"]',
            [],
        ),
    )
    port = Key(
        Port,
        Doc(
            "A fixed port on this machine, handed to the service as `PORT`. Not for `worker` and `task`.",
            "port = 3000",
            otherwise="assigned by locald, the same one at every start while it is free",
        ),
    )
    env = Key(
        Environment,
        Doc(
            "Environment variables, over those of the shell and of the env files. Values may use "
            "`${services.NAME.port}`, `.host`, `.url` and `.https_url` of any service here, `${locald.ca}`, "
            "`${VAR}` of the shell or the env files (not set is an error) and `${VAR:-default}`; `$${` "
            "stands for `${`.",
            'env = { DATABASE_URL = "postgres://localhost:${services.db.port}/shop" }',
            {},
        ),
    )
    env_file = Key(
        Files,
        Doc(
            "Env files, relative to `locald.toml`, later ones over earlier ones; the shell's variables go "
            "over them. An empty list means none.",
            'env_file = [".env", ".env.local"]',
            otherwise="`.env` beside `locald.toml`, if it exists",
        ),
    )
    workdir = Key(
        Text,
        Doc("The folder that a process runs in, relative to `locald.toml`.", 'workdir = "backend"', "."),
    )
    depends_on = Key(
        DependsOn,
        Doc(
            "Services that must be ready before this one starts. With a list, each must be healthy, and a "
            "task completed. A table says what to wait for: `healthy`; `completed`, for a task; "
            "`started`.",
            'depends_on = ["db", "migrate"]',
            [],
        ),
    )
    health_check = Key(
        HealthCheckValue,
        Doc(
            "How to check that the service is healthy. A string is a command that exits with code 0. "
            "It overrides what locald would infer.",
            'health_check = { type = "http", path = "/health" }',
            otherwise="inferred from the image's HEALTHCHECK, from `READY=1`, from the open port, or for a "
            "worker from its process",
        ),
    )
    start_timeout = Key(
        Duration,
        Doc(
            "Time from spawn to first healthy; then the run is stopped and the service has failed.",
            'start_timeout = "2m"',
            "60s",
            otherwise="`60s`; a task has none",
        ),
    )
    restart = Key(
        choice("a restart policy", RestartPolicy, RestartPolicy, _POLICIES),
        Doc(
            "When a run that ended is restarted: `no`; `on-failure`, an exit code other than 0, a "
            "signal or the watchdog; `always`. After 100 ms, doubling up to 30 s; from 100 ms again after "
            "10 s of health.",
            'restart = "always"',
            "on-failure",
            otherwise="`on-failure`; for a task `no`",
        ),
    )
    max_restarts = Key(
        ZeroOrMore,
        Doc(
            "Restarts within one minute. When one more would be due, the service has failed.",
            "max_restarts = 10",
            5,
        ),
    )
    stop_signal = Key(
        Signal,
        Doc(
            "The stop signal, sent to every process of the service. With or without `SIG`.",
            'stop_signal = "SIGINT"',
            "SIGTERM",
        ),
    )
    stop_timeout = Key(
        Duration,
        Doc("Time to stop; remaining processes are then killed.", 'stop_timeout = "30s"', "10s"),
    )
    kill_mode = Key(
        choice("a way to stop", KillMode, KillMode, _KILL_MODES),
        Doc(
            "Which processes get the stop signal: `all` of the service; `mixed`, its main process only, and "
            "the rest when that has exited. For a program that ends its own children in order, or finishes "
            "their work first (Celery). Begin a `command` that is a string with `exec`, or the shell is the "
            "main process.",
            'kill_mode = "mixed"',
            "all",
        ),
    )
    watchdog = Key(
        Duration,
        Doc(
            "The service promises a `WATCHDOG=1` repeatedly within this time (`WATCHDOG_USEC` tells it "
            "so). When it does not come, the run is ended, and `restart` decides what follows.",
            'watchdog = "10s"',
            otherwise="none",
        ),
    )
    log_size = Key(
        Size,
        Doc("How much output is kept on disk; the oldest goes first.", 'log_size = "200MB"', "50MB"),
    )
    tty = Key(
        Boolean,
        Doc(
            "Give stdout and stderr a terminal each, so that output appears when it is written and programs "
            "use colour. `false` gives them pipes.",
            "tty = false",
            True,
        ),
    )
    stdin = Key(
        choice("a standard input", StandardInput, StandardInput, _INPUTS),
        Doc(
            "What is on standard input: `empty`, which is at its end at once; `open`, which stays silent and "
            "never ends, for a program that exits when its input does (`esbuild --watch`, "
            "`tailwindcss --watch`); `terminal`, a terminal that `locald attach` gives you, for a debugger, "
            "a console or key commands. Its output goes to the same terminal, so `logs` shows what is typed "
            "too, and all of it as stdout.",
            'stdin = "open"',
            "empty",
        ),
    )

    watch = Key(
        WatchValue,
        Doc(
            "Files whose change restarts the service: globs relative to the folder, or a table. `.git`, "
            "`node_modules`, `.venv`, `__pycache__` and what `.gitignore` names are left out, but not a "
            "file that is named exactly.",
            'watch = ["src/**/*.py"]',
            otherwise="nothing is watched",
        ),
    )
    autostart = Key(
        Boolean,
        Doc(
            "Whether `up` without names starts it. It starts when it is named, or something depends on it.",
            "autostart = false",
            True,
        ),
    )
    shared = Key(
        Boolean,
        Doc(
            "Whether all instances of the project have this one service together, such as a database for all "
            "worktrees. The first instance that needs it starts it; `stop` and `down` leave it running while "
            "another instance wants it.",
            "shared = true",
            False,
        ),
    )
    domains = Key(
        Domains,
        Doc(
            "Names of the service beside `NAME.DOMAIN`: under `.localhost`, `.test` or the project's domain. "
            "`*` in place of the first label stands for any one label. In an instance `admin.shop.localhost` "
            "is `admin.feat.shop.localhost`.",
            'domains = ["admin.shop.localhost", "*.shop.localhost"]',
            [],
        ),
    )
    on_demand = Key(
        Boolean,
        Doc(
            "`up` without names leaves it out. The first request to its name starts it, and what it depends "
            "on.",
            "on_demand = true",
            False,
        ),
    )
    idle_timeout = Key(
        Duration,
        Doc(
            "It is stopped when no request came to its name for this time, and none is being answered (a "
            "WebSocket counts). Only with `on_demand = true`.",
            'idle_timeout = "15m"',
            otherwise="none",
        ),
    )
    usage = Key(
        choice("when usage is measured", Sampling, Sampling, {}),
        Doc(
            "When processor and memory are measured, for the graphs of the last 15 minutes on the "
            "dashboard and in the monitor: `shown`, while one of them is open, or `always`. Another value "
            "restarts nothing.",
            'usage = "always"',
            "shown",
        ),
    )

    def spec(self, name: str) -> ServiceSpec:
        given = self.given()
        given.setdefault("type", Type.CONTAINER if "image" in given else Type.EXEC)
        if given["type"] is Type.TASK:
            given = {"start_timeout": None, "restart": RestartPolicy.NO} | given
        return ServiceSpec(name=name, **given)


# The whole file


class ProjectTable(Table):
    """The project as a whole."""

    name = Key(
        Name,
        Doc(
            "The name of the project, which its instances share: worktrees, clones, copies.", 'name = "shop"'
        ),
        required=True,
    )
    domain = Key(
        Domain,
        Doc(
            "The domain under which services are reached by name: `web.shop.localhost`. One outside of "
            "`.localhost` and `.test` belongs in `locald.local.toml`.",
            'domain = "shop.localhost"',
            otherwise="`NAME.localhost`",
        ),
    )
    default = Key(
        Name,
        Doc(
            "The service that the domain itself leads to.",
            'default = "web"',
            otherwise="the service `web`, or the only one that speaks HTTP",
        ),
    )
    env = Key(
        Environment,
        Doc(
            "Environment variables of every service, under its own `env`. They go over those of the shell.",
            'env = { LOG_LEVEL = "debug" }',
            {},
        ),
    )
    env_file = Key(
        Files,
        Doc(
            "Env files of every service, relative to `locald.toml`, under the `env_file` of each.",
            'env_file = ".env.shared"',
            otherwise="none",
        ),
    )
    instance = Key(
        Name,
        Doc(
            "The label of this folder among those of the project: `shop@feat`. Only in `locald.local.toml`.",
            'instance = "feat"',
            otherwise="`LOCALD_INSTANCE`, the branch of a linked worktree, or the name of the folder",
        ),
    )
    engine = Key(
        choice("an engine", Engine, Engine, _ENGINES),
        Doc(
            "Where `up` runs the services, unless `--on` says otherwise: `local`, this machine; `swarm`, a "
            "swarm of Docker Engines; `systemd`, your own systemd; `kubernetes`, the cluster that kubectl "
            "would use. Only in `locald.local.toml`.",
            'engine = "swarm"',
            otherwise="`local`",
        ),
    )


class FileTable(Table):
    """A project: a folder with a `locald.toml`, and the services that belong together in it."""

    project = Key(TableOf(ProjectTable), Doc("The project as a whole.", "[project]"), required=True)
    services = Key(
        Shaped("a table", {dict: Entries(Name, TableOf(ServiceTable))}),
        Doc("The services by name. A name is a DNS label: part of URLs and variables.", "[services.web]"),
    )
    groups = Key(
        Shaped("a table", {dict: Entries(Name, Names)}),
        Doc(
            "Groups of services by name. A group stands wherever a command takes a SERVICE.",
            'backend = ["api", "worker"]',
        ),
    )

    def spec(self) -> ProjectSpec:
        given = self.given()
        project = given["project"].given()
        services = given.get("services", {})
        return ProjectSpec(
            name=project["name"],
            domain=project.get("domain", f"{project['name']}.localhost"),
            services={name: table.spec(name) for name, table in services.items()},
            env=project.get("env", {}),
            env_file=project.get("env_file", ()),
            groups=given.get("groups", {}),
            instance=project.get("instance", ""),
            default=project.get("default", ""),
            engine=project.get("engine", Engine.LOCAL),
        )
