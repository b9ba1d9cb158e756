import { describe, expect, it } from "vitest";
import { spelled } from "../src/facts/command";

describe("A command", () => {
  it("is what the file says, a list with the quotes that a shell asks for", () => {
    expect(spelled("npm run dev -- --port $PORT")).toBe("npm run dev -- --port $PORT");
    expect(spelled(["python", "-c", "print('a b')", "--x=1"])).toBe(`python -c 'print('"'"'a b'"'"')' --x=1`);
    expect(spelled(null)).toBe("");
  });
});
