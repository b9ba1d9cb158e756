"""`locald completion`: a script that lets a shell complete commands, options and service names.

The scripts are made from the parsers, so they know what the command line knows. Names of services are
asked for at completion time (`locald completion services`), from the file alone: no daemon is started
by pressing Tab, and an error is no name.
"""

from __future__ import annotations

import argparse

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from locald.cli.described import Command, Option

ABOUT = """\
Print the completion script of a shell: it completes commands, options and the
services of the project, and the instances that are up, such as `shop@feat`.

    bash:  eval "$(locald completion bash)"        in ~/.bashrc
    zsh:   eval "$(locald completion zsh)"         in ~/.zshrc, after compinit
    fish:  locald completion fish > ~/.config/fish/completions/locald.fish
"""


def add(subparsers: argparse._SubParsersAction[Any]) -> None:
    parser = subparsers.add_parser("completion", usage="locald completion [-h] SHELL", description=ABOUT)
    parser.add_argument("shell", metavar="SHELL", type=_shell, help="bash, zsh or fish")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    if args.shell == "services":
        print("\n".join([*_services(args.directory), *_instances()]))
        return 0
    if args.shell == "projects":
        print("\n".join(_projects()))
        return 0
    from locald.cli.described import commands

    print(SHELLS[args.shell](commands()))
    return 0


def _shell(text: str) -> str:
    if text not in (*SHELLS, "services", "projects"):
        raise argparse.ArgumentTypeError(f"unsupported shell: {text} (bash, zsh, fish)")
    return text


def _services(directory: str | None) -> list[str]:
    """The names of services and groups in the project's files, as far as these can be read."""
    from locald.client.target import here
    from locald.domain.project.file import FILE, LOCAL
    from locald.domain.values.problem import Refused

    try:
        folder = here(directory)
    except Refused:
        return []
    tables = [_tables(f"{folder}/{name}") for name in (FILE, LOCAL)]
    found = [each.get(kind) for kind in ("services", "groups") for each in tables]
    return list(dict.fromkeys(name for table in found if isinstance(table, dict) for name in table))


def _instances() -> list[str]:
    """Those that are up, such as `shop@feat`."""
    return [name for name in _projects() if "@" in name]


def _projects() -> list[str]:
    """Projects and instances that are up, by what the daemon has written down."""
    from locald.client.project import kept_projects

    return sorted(kept_projects())


def _tables(path: str) -> dict[str, Any]:
    import tomllib

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError):
        return {}


def _bash(commands: list[Command]) -> str:
    names = " ".join(command.name for command in commands)
    cases, values = "\n".join(map(_bash_case, commands)), _bash_values(commands)
    return BASH.format(names=names, cases=cases, values=values)


def _bash_case(command: Command) -> str:
    """By the command and its action, where it has any: each has options of its own."""
    if not command.actions:
        return _bash_line(f"'{command.name} '*", command, _fixed(command))
    actions = [each.name for each in command.actions]
    lines = [_bash_line(f"'{command.name} {each.name}'", each, []) for each in command.actions]
    return "\n".join([*lines, _bash_line(f"'{command.name} '*", command, actions)])


def _bash_line(pattern: str, command: Command, first: list[str]) -> str:
    words = dict.fromkeys([*first, *(flag for option in command.options for flag in option.flags)])
    names = _names(command)
    return f"        {pattern}) words='{' '.join(words)}'{f'; names={names}' if names else ''} ;;"


def _bash_values(commands: list[Command]) -> str:
    return "\n".join(
        f"        '{command.name} {flag}') words='{' '.join(option.choices)}'; names= ;;"
        for command in commands
        for option in command.options
        for flag in option.flags
        if option.choices
    )


def _names(command: Command) -> str:
    """What `locald completion` is asked for to complete its arguments; may be empty."""
    return "services" if command.takes_services else "projects" if command.takes_projects else ""


def _fixed(command: Command) -> list[str]:
    """Words that a command takes in place of a name."""
    first = command.arguments[0].choices if command.arguments else ()
    return list(SHELLS) if command.name == "completion" else list(first)


BASH = """\
# locald completion for bash
_locald() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    local command= action= words= names= directory=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
        -C) directory=(-C "${{COMP_WORDS[i+1]}}"); i=$((i + 1)) ;;
        --) [[ $command == exec ]] && return ;;
        -*) ;;
        *) if [[ -z $command ]]; then command=${{COMP_WORDS[i]}}
           elif [[ -z $action ]]; then action=${{COMP_WORDS[i]}}; fi ;;
        esac
    done
    if [[ $previous == -C ]]; then
        COMPREPLY=($(compgen -d -- "$current"))
        return
    fi
    case "$command $action" in
        ' ') words='{names} -C -h --help --version' ;;
{cases}
    esac
    case "$command $previous" in
{values}
    esac
    if [[ -n $names ]]; then
        words="$words $(locald "${{directory[@]}}" completion $names 2>/dev/null)"
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _locald locald"""


def _zsh(commands: list[Command]) -> str:
    names = "\n".join(f"        {_quoted(f'{each.name}:{each.help}')}" for each in commands)
    return ZSH.format(names=names, cases="\n".join(map(_zsh_case, commands)))


def _zsh_case(command: Command) -> str:
    if not command.actions:
        return f"        {command.name}) {_zsh_arguments(command, _fixed(command))} ;;"
    actions = [each.name for each in command.actions]
    cases = [f"            {each.name}) {_zsh_arguments(each, actions)} ;;" for each in command.actions]
    cases.append(f"            *) {_zsh_arguments(command, actions)} ;;")
    return "\n".join([f"        {command.name}) case $words[2] in", *cases, "            esac ;;"])


def _zsh_arguments(command: Command, first: list[str]) -> str:
    arguments = [*(_quoted(word) for each in _own_options(command) for word in _zsh_option(each))]
    if command.name == "exec":  # behind `--` is a command line of another program
        arguments = ["-S", *arguments, "'1:service:_locald_services'", "'*:::command:_normal'"]
    elif names := _names(command):
        arguments.append(f"'*:{names.removesuffix('s')}:_locald_{names}'")
    if first:
        arguments.append(_quoted(f"1:what:({' '.join(first)})"))
    return f"_arguments {' '.join(arguments)}"


def _zsh_option(option: Option) -> list[str]:
    text = option.help.replace("[", "(").replace("]", ")").replace(":", "\\:")
    words = f"({' '.join(option.choices)})" if option.choices else " "
    value = f":{option.value}:{'_files -/' if option.value == 'DIR' else words}" if option.value else ""
    return [f"{flag}[{text}]{value}" for flag in option.flags]


ZSH = """\
#compdef locald
_locald_names() {{
    local -a names
    names=(${{(f)"$(locald ${{=_locald_directory}} completion $1 2>/dev/null)"}})
    (( $#names )) && compadd -a names
}}
_locald_services() {{ _locald_names services }}
_locald_projects() {{ _locald_names projects }}
_locald() {{
    local -a commands
    local _locald_directory state line
    commands=(
{names}
    )
    _arguments -C '-C[folder of the project]:DIR:_files -/' '--version[show the version]' \\
        '(-h --help)'{{-h,--help}}'[show the help]' '1:command:->command' '*::argument:->argument'
    (( ${{+opt_args[-C]}} )) && _locald_directory="-C ${{opt_args[-C]}}"
    case $state in
    command) _describe command commands ;;
    argument)
        case $line[1] in
{cases}
        esac ;;
    esac
}}
compdef _locald locald"""


def _fish(commands: list[Command]) -> str:
    lines = ["# locald completion for fish", "complete -c locald -f"]
    lines.append("complete -c locald -s C -x -a '(__fish_complete_directories)' -d 'folder of the project'")
    for command in commands:
        lines.append(
            f"complete -c locald -n __fish_use_subcommand -a {command.name} -d {_quoted(command.help)}"
        )
        seen = f"__fish_seen_subcommand_from {command.name}"
        lines += _fish_lines(seen, command, _fixed(command))
        if actions := " ".join(each.name for each in command.actions):
            lines.append(
                _fish_line(f"{seen}; and not __fish_seen_subcommand_from {actions}", f"-a '{actions}'")
            )
        for each in command.actions:
            lines += _fish_lines(f"{seen}; and __fish_seen_subcommand_from {each.name}", each, [])
    return "\n".join(lines)


def _fish_lines(seen: str, command: Command, first: list[str]) -> list[str]:
    lines = [_fish_line(seen, _fish_option(option)) for option in _own_options(command)]
    if first:
        lines.append(_fish_line(seen, f"-a {_quoted(' '.join(first))}"))
    if names := _names(command):
        lines.append(_fish_line(seen, f"-a '(locald completion {names} 2>/dev/null)'"))
    return lines


def _fish_line(seen: str, offer: str) -> str:
    return f"complete -c locald -n '{seen}' {offer}"


def _fish_option(option: Option) -> str:
    flags = (f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
    words = f" -a {_quoted(' '.join(option.choices))}" if option.choices else ""
    return f"{' '.join(flags)}{' -x' if option.value else ''}{words} -d {_quoted(option.help)}"


def _own_options(command: Command) -> list[Option]:
    """`-C` is known before the command already."""
    return [option for option in command.options if "-C" not in option.flags]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
