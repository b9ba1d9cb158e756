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
    from locald.cli.described import commands

    print(SHELLS[args.shell](commands()))
    return 0


def _shell(text: str) -> str:
    if text not in (*SHELLS, "services"):
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
    """Those that are up, such as `shop@feat`, by what the daemon has written down."""
    from locald.client.project import kept_projects

    return sorted(name for name in kept_projects() if "@" in name)


def _tables(path: str) -> dict[str, Any]:
    import tomllib

    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except (OSError, ValueError):
        return {}


def _bash(commands: list[Command]) -> str:
    names = " ".join(command.name for command in commands)
    return BASH.format(names=names, cases="\n".join(map(_bash_case, commands)))


def _bash_case(command: Command) -> str:
    services = "; services=1" if command.takes_services else ""
    return f"        {command.name}) words='{_words(command)}'{services} ;;"


def _words(command: Command) -> str:
    """Options and actions of a command, those of its actions too."""
    every = [command, *command.actions]
    flags = [flag for each in every for option in each.options for flag in option.flags]
    return " ".join(dict.fromkeys([*(action.name for action in command.actions), *_fixed(command), *flags]))


def _fixed(command: Command) -> list[str]:
    """Words that a command takes in place of a name."""
    return list(SHELLS) if command.name == "completion" else []


BASH = """\
# locald completion for bash
_locald() {{
    local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD-1]}}
    local command= words= services= directory=() i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${{COMP_WORDS[i]}} in
        -C) directory=(-C "${{COMP_WORDS[i+1]}}"); i=$((i + 1)) ;;
        --) [[ $command == exec ]] && return ;;
        -*) ;;
        *) [[ -n $command ]] || command=${{COMP_WORDS[i]}} ;;
        esac
    done
    if [[ $previous == -C ]]; then
        COMPREPLY=($(compgen -d -- "$current"))
        return
    fi
    case $command in
        '') words='{names} -C -h --help --version' ;;
{cases}
    esac
    if [[ -n $services ]]; then
        words="$words $(locald "${{directory[@]}}" completion services 2>/dev/null)"
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
}}
complete -o default -F _locald locald"""


def _zsh(commands: list[Command]) -> str:
    names = "\n".join(f"        {_quoted(f'{each.name}:{each.help}')}" for each in commands)
    cases = []
    for command in commands:
        arguments = [*(_quoted(word) for each in _all_options(command) for word in _zsh_option(each))]
        if command.name == "exec":  # behind `--` is a command line of another program
            arguments = ["-S", *arguments, "'1:service:_locald_services'", "'*:::command:_normal'"]
        elif command.takes_services:
            arguments.append("'*:service:_locald_services'")
        if words := [*(action.name for action in command.actions), *_fixed(command)]:
            arguments.append(_quoted(f"1:what:({' '.join(words)})"))
        cases.append(f"        {command.name}) _arguments {' '.join(arguments)} ;;")
    return ZSH.format(names=names, cases="\n".join(cases))


def _zsh_option(option: Option) -> list[str]:
    text = option.help.replace("[", "(").replace("]", ")").replace(":", "\\:")
    value = f":{option.value}:{'_files -/' if option.value == 'DIR' else ' '}" if option.value else ""
    return [f"{flag}[{text}]{value}" for flag in option.flags]


ZSH = """\
#compdef locald
_locald_services() {{
    local -a names
    names=(${{(f)"$(locald ${{=_locald_directory}} completion services 2>/dev/null)"}})
    (( $#names )) && compadd -a names
}}
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
        seen = f"complete -c locald -n '__fish_seen_subcommand_from {command.name}'"
        lines += [f"{seen} {_fish_option(option)}" for option in _all_options(command)]
        if words := [*(action.name for action in command.actions), *_fixed(command)]:
            lines.append(f"{seen} -a {_quoted(' '.join(words))}")
        if command.takes_services:
            lines.append(f"{seen} -a '(locald completion services 2>/dev/null)'")
    return "\n".join(lines)


def _fish_option(option: Option) -> str:
    flags = (f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
    return f"{' '.join(flags)}{' -x' if option.value else ''} -d {_quoted(option.help)}"


def _all_options(command: Command) -> list[Option]:
    """The options of a command and of its actions, each once; `-C` is known before the command already."""
    every = [option for each in (command, *command.actions) for option in each.options]
    return list({option.flags: option for option in every if option.value != "DIR"}.values())


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


SHELLS = {"bash": _bash, "zsh": _zsh, "fish": _fish}
