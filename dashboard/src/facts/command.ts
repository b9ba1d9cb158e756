// A command as it would be typed: a list of words is quoted where a shell asks for it.

const BARE = /^[\w@%+=:,./-]+$/;

export function spelled(command: string | readonly string[] | null): string {
  if (command === null) return "";
  if (typeof command === "string") return command;
  return command.map((word) => (BARE.test(word) ? word : `'${word.replaceAll("'", `'"'"'`)}'`)).join(" ");
}
