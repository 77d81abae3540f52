/** The script that makes the Python environment of the trainer: what it installs, and what it says when it cannot. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

interface PythonEnvModule {
  findPython(env: Record<string, string>): Promise<string | undefined>;
  installSteps(project: string, device: string, env: Record<string, string>, platform: string): string[][];
  ensurePythonEnv(options: {
    project: string;
    say: (line: string) => void;
    env: Record<string, string>;
  }): Promise<string>;
}

const { findPython, installSteps, ensurePythonEnv } = (await import(
  new URL("../scripts/python-env.mjs", import.meta.url).href
)) as PythonEnvModule;

describe("the Python environment", () => {
  let project: string;
  beforeEach(() => {
    project = mkdtempSync(join(tmpdir(), "agemem-python-"));
    writeFileSync(join(project, "pyproject.toml"), "dependencies = []\n[project.scripts]\n");
  });
  afterEach(() => rmSync(project, { recursive: true, force: true }));

  it("installs torch without CUDA for the processor only", () => {
    const torch = (device: string, env: Record<string, string> = {}, platform = "linux") =>
      installSteps("here", device, env, platform).find((step) =>
        step.some((part) => part.startsWith("torch")),
      );
    expect(torch("cpu")?.[1]).toContain("/cpu");
    expect(torch("cuda")).toBeUndefined();
    expect(torch("cpu", {}, "darwin")).toBeUndefined();
    expect(torch("cuda", { AGEMEM_TORCH_INDEX: "https://mirror/cu130" })?.[1]).toBe("https://mirror/cu130");
    expect(installSteps("here", "cuda", {}, "linux").at(-1)).toContain("here[dev]");
  });

  it("takes no Python that is missing or too old", async () => {
    expect(await findPython({ AGEMEM_PYTHON: join(project, "no-python") })).toBeUndefined();
    // Anything that does not answer the question with 0 counts as too old.
    expect(await findPython({ AGEMEM_PYTHON: "false" })).toBeUndefined();
    expect(await findPython({ AGEMEM_PYTHON: "true" })).toBe("true");
  });

  it("says what is needed when there is none", async () => {
    const env = { AGEMEM_PYTHON: join(project, "no-python") };
    await expect(ensurePythonEnv({ project, say: () => undefined, env })).rejects.toThrow(/Python 3\.10/);
  });

  it("says which step failed", async () => {
    const lines: string[] = [];
    const making = ensurePythonEnv({
      project,
      say: (line) => lines.push(line),
      env: { AGEMEM_PYTHON: "true" },
    });
    // "true" makes no environment, so the first installation finds no Python in it.
    await expect(making).rejects.toThrow(/pip install --quiet setuptools/);
    expect(lines[0]).toContain("making a Python environment");
  });
});
