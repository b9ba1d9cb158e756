"""The commands there are: of each its module in `commands`, and one line of help."""

from __future__ import annotations

COMMANDS = {
    "Run services": {
        "up": ("up", "start services and their dependencies, wait until all are healthy"),
        "stop": ("stop", "stop services, dependents first"),
        "restart": ("restart", "stop and start services, while their dependents keep running"),
        "down": ("down", "stop all services of the project and forget it"),
        "attach": ("attach", "type at the terminal of a service, see what it prints"),
        "exec": ("exec", "run a command in the environment of a service"),
        "try": ("try_", "run a command with a free PORT, without a project"),
    },
    "Inspect services": {
        "status": ("status", "show the services, their state and health"),
        "wait": ("wait", "wait until services are healthy"),
        "why": ("why", "explain why a service is not ready, or how readiness was determined"),
        "timeline": ("timeline", "show the last start: durations, waits, critical path"),
        "logs": ("logs", "print the output of services"),
        "instances": ("instances", "list the folders of all projects, and what runs in each"),
        "monitor": ("monitor", "show everything live in the terminal, with keys to act"),
        "mcp": ("mcp", "serve a coding agent: these commands as its tools"),
        "dashboard": ("dashboard", "open the dashboard in the browser, signed in"),
        "open": ("open", "open a service in the browser"),
    },
    "Configure a project": {
        "init": ("init", "write a locald.toml for this folder"),
        "export": ("export", "write the project for another engine, and tell what gets lost"),
        "config": ("config", "check, show or describe locald.toml"),
    },
    "Manage locald": {
        "server": ("server", "start, stop, restart or show the daemon"),
        "proxy": ("proxy", "show the proxy, trust its certificates"),
        "doctor": ("doctor", "check this machine and show how to fix problems"),
        "ping": ("ping", "check whether the daemon answers"),
        "completion": ("completion", "print a shell completion script"),
    },
}
"""By group: the name of each command, its module in `commands`, and what it does."""
MODULES = {name: module for group in COMMANDS.values() for name, (module, _) in group.items()}
AS_OPTIONS = {"help": "--help", "version": "--version"}
"""Words that other tools have as commands: `locald help up` is `locald up --help`."""
