import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deflateRawSync } from "node:zlib";
import { afterAll, describe, expect, test } from "vitest";
import { UserError } from "../errors.ts";
import { writeSafetensors } from "../formats/safetensors.ts";
import { ZipArchive } from "../formats/zip.ts";
import { openForeignCheckpoint } from "./import-file.ts";
import { After, Call, type FakeTensor, floats, Global, rawTensor, Shared, torchFile } from "./torch-file.fake.ts";

const folder = mkdtempSync(join(tmpdir(), "import-file-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
function saved(bytes: Uint8Array, name = `${files++}.pt`): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

function dict(value: Record<string, unknown>): Map<string, unknown> {
  return new Map(Object.entries(value));
}

const weight = floats([2, 2], [1, 2, 3, 4]);
const state = dict({ "model.readouts.0.mean": weight });

/** The error of opening a file; a UserError. */
function refusal(path: string): UserError {
  try {
    openForeignCheckpoint(path)[Symbol.dispose]();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  }
  throw new Error("nothing was refused");
}

describe("openForeignCheckpoint()", () => {
  test.each<[string, unknown]>([
    ["at the top", state],
    ["under state_dict", dict({ state_dict: state })],
    ["under model_state_dict", dict({ model_state_dict: state, step: 5 })],
    ["under model", dict({ model: dict({ "readouts.0.mean": weight }), optimizer: new Map() })],
    ["under model.state_dict", dict({ model: dict({ state_dict: state }) })],
  ])("finds tensors %s", (_, value) => {
    using file = openForeignCheckpoint(saved(torchFile(value)));
    expect([...file.tensors.keys()]).toEqual(["readouts.0.mean"]);
    expect([...file.tensors.get("readouts.0.mean")!.read().data]).toEqual([1, 2, 3, 4]);
    expect(file).toMatchObject({ kind: "PyTorch state_dict", epoch: null, globalStep: null, modelConfig: undefined });
  });

  test("reads counters, hyper-parameters and the configuration, and lists what it does not take over", () => {
    const value = dict({
      epoch: 7,
      global_step: 900,
      "pytorch-lightning_version": "2.5.0",
      state_dict: state,
      optimizer_states: [],
      callbacks: new Map(),
      hyper_parameters: dict({
        lr: 0.5,
        model_config_dict: dict({ model_type: "v1multi" }),
        secret: new Call("my_lab.models", "Thing", 3),
        cfg_dir: new Call("pathlib", "PosixPath", "/", "data", "d.yaml"),
      }),
    });
    using file = openForeignCheckpoint(saved(torchFile(value)));
    expect(file).toMatchObject({
      kind: "Lightning checkpoint",
      epoch: 7,
      globalStep: 900,
      hyperParameters: { lr: 0.5, cfg_dir: "/data/d.yaml" },
      modelConfig: { model_type: "v1multi" },
      leftOut: ["optimizer_states", "callbacks", "hyper_parameters.secret (my_lab.models.Thing)"],
    });
  });

  test.each<[string, unknown]>([
    [
      "hyper_parameters.model_config",
      dict({ state_dict: state, hyper_parameters: dict({ model_config: dict({ a: 1 }) }) }),
    ],
    ["model_config", dict({ state_dict: state, model_config: dict({ a: 1 }) })],
  ])("finds a configuration under %s", (_, value) => {
    using file = openForeignCheckpoint(saved(torchFile(value)));
    expect(file.modelConfig).toEqual({ a: 1 });
    expect(file.leftOut).toEqual([]);
  });

  test("ignores counters that are no counts", () => {
    using file = openForeignCheckpoint(saved(torchFile(dict({ state_dict: state, epoch: "three", global_step: -1 }))));
    expect([file.epoch, file.globalStep]).toEqual([null, null]);
  });

  test("reads safetensors, recognised by their content", () => {
    const path = join(folder, "weights.bin");
    writeSafetensors(
      path,
      new Map([["_orig_mod.readouts.0.mean", { dtype: "float32", shape: [1, 2], data: new Float32Array(2) }]]),
    );
    using file = openForeignCheckpoint(path);
    expect(file.kind).toBe("safetensors state_dict");
    expect([...file.tensors.keys()]).toEqual(["readouts.0.mean"]);
  });

  test("refuses our own files", () => {
    const path = join(folder, "own.safetensors");
    const tensors = new Map([["a", { dtype: "float32", shape: [1], data: new Float32Array(1) } as const]]);
    writeSafetensors(path, tensors, { visioncore: "{}" });
    expect(refusal(path).message).toContain("it is a VisionCore file already");
  });

  test.each<[string, unknown, string]>([
    ["an empty state_dict", dict({ state_dict: new Map() }), 'its "state_dict" is empty'],
    ["an empty dictionary", new Map(), "it holds no state_dict; its dictionary is empty"],
    [
      "a dictionary without tensors",
      dict({ epoch: 1, loss: 0.5 }),
      "it holds no state_dict; its dictionary has epoch, loss",
    ],
    ["a tensor", weight, "it holds a tensor [2, 2], not a dictionary of tensors"],
    ["a list", [weight], "it holds a list, not a dictionary of tensors"],
    ["a whole model", new Call("my_lab.models", "Net"), "it holds the Python object my_lab.models.Net"],
    [
      "a whole model in a dictionary",
      dict({ model: new Call("my_lab.models", "Net") }),
      'its "model" holds the Python object',
    ],
    [
      "a state_dict with a number",
      dict({ state_dict: dict({ a: 5 }) }),
      '"a" in its "state_dict" is a number, not a tensor',
    ],
    ["a state_dict with an object", dict({ state_dict: dict({ a: new Call("x", "Y") }) }), "is a Python object x.Y"],
    ["names with two prefixes", dict({ "model.a": weight, b: weight }), "do not belong together"],
  ])("refuses %s", (_, value, message) => {
    expect(refusal(saved(torchFile(value))).message).toContain(message);
  });
});

describe("openForeignCheckpoint() executes nothing", () => {
  const marker = join(folder, "executed");
  const touch = `open(${JSON.stringify(marker)}, "w").close()`;
  const attacks: [string, string, unknown][] = [
    ["os.system", "os.system", new Call("os", "system", `touch ${marker}`)],
    ["posix.system", "posix.system", new Call("posix", "system", `touch ${marker}`)],
    ["subprocess.check_call", "subprocess.check_call", new Call("subprocess", "check_call", ["touch", marker])],
    ["builtins.eval", "builtins.eval", new Call("builtins", "eval", touch)],
    ["builtins.exec", "builtins.exec", new Call("builtins", "exec", touch)],
    ["builtins.open", "builtins.open", new Call("builtins", "open", marker, "w")],
    ["runpy", "runpy._run_code", new Call("runpy", "_run_code", touch, new Map(), null, "m")],
    ["Python 2's names", "__builtin__.eval", new Call("__builtin__", "eval", touch)],
    ["a name that leads on", "builtins.eval.__call__", new Call("builtins", "eval.__call__", touch)],
  ];

  test.each(attacks)("refuses %s, naming it", (_, name, attack) => {
    const places = [
      dict({ state_dict: state, hyper_parameters: dict({ lr: attack }) }),
      dict({ state_dict: dict({ "model.readouts.0.mean": attack }) }),
      // Made and thrown away: nothing of it is left in what the file holds.
      dict({ state_dict: new After(attack, state) }),
      attack,
    ];
    for (const place of places) {
      const { message, hint } = refusal(saved(torchFile(place)));
      expect(message).toContain(`the Python object ${name} is not plain data`);
      expect(hint).toContain("Nothing in the file was executed");
    }
    expect(existsSync(marker)).toBe(false);
  });

  test("keeps other unknown classes as records, also what would call methods", () => {
    const attack = new Call("my_lab.tools", "run", `touch ${marker}`);
    using file = openForeignCheckpoint(
      saved(torchFile(dict({ state_dict: state, hyper_parameters: dict({ a: attack }) }))),
    );
    expect(file.leftOut).toEqual(["hyper_parameters.a (my_lab.tools.run)"]);
    expect(existsSync(marker)).toBe(false);
  });

  const python = havePython();
  test.skipIf(!python)("though Python would have run them (needs python3)", () => {
    const load = "import pickle, sys; pickle.loads(sys.stdin.buffer.read())";
    for (const [name, , attack] of attacks.filter(([label]) => !/Python 2|leads on/.test(label))) {
      const archive = new ZipArchive(saved(torchFile(attack)));
      execFileSync("python3", ["-c", load], { input: archive.read("archive/data.pkl") });
      archive.close();
      expect([name, existsSync(marker)]).toEqual([name, true]);
      rmSync(marker);
    }
  });
});

function havePython(): boolean {
  try {
    execFileSync("python3", ["-c", ""], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

describe("openForeignCheckpoint() refuses damaged files", () => {
  const sound = torchFile(dict({ state_dict: state }));
  const tensor = (change: Partial<FakeTensor>) =>
    dict({
      "readouts.0.mean": rawTensor({
        kind: "Float",
        bytes: new Uint8Array(16),
        shape: [2, 2],
        strides: [2, 1],
        ...change,
      }),
    });

  test.each([0, 1, 21, 22, 60, 200, sound.length - 30, sound.length - 1])("cut short after %i bytes", (length) => {
    expect(refusal(saved(sound.subarray(0, length))).message).toMatch(/^Cannot read ".*": /);
  });

  test.each<[string, Uint8Array, string]>([
    ["text", Buffer.from("state_dict: none"), "it is not a zip archive"],
    [
      "PyTorch's old format",
      Buffer.from("80028a0a6cfc9c46f9206aa850192e80024de90300", "hex"),
      "format from before version 1.6",
    ],
    ["HDF5", Buffer.from("\x89HDF\r\n\x1a\n", "latin1"), "it is an HDF5 file"],
    ["a zip archive of something else", zipped("notes.txt", Buffer.from("hello")), "not a PyTorch file"],
  ])("%s", (_, bytes, message) => {
    expect(refusal(saved(bytes)).message).toContain(message);
  });

  test("says how to convert PyTorch's old format", () => {
    expect(refusal(saved(Buffer.from("80028a0a6cfc9c46f9206aa850192e", "hex"))).hint).toContain(
      "torch.save(torch.load(path)",
    );
  });

  test.each<[string, unknown, string]>([
    ["a storage smaller than it claims", tensor({ elements: 40 }), "storage 0 takes 160 bytes but has 16"],
    ["a tensor larger than its storage", tensor({ shape: [3, 2] }), "reaches beyond the 4 elements"],
    ["an offset beyond the storage", tensor({ offset: 1 }), "reaches beyond the 4 elements"],
    ["a negative offset", tensor({ offset: -1 }), "a tensor is damaged"],
    ["a negative stride", tensor({ strides: [-2, 1] }), "a tensor is damaged"],
    ["a stride too few", tensor({ strides: [1] }), "a tensor's strides are damaged"],
    ["more elements than can be counted", tensor({ shape: [2 ** 30, 2 ** 30], strides: [0, 0] }), "reaches beyond"],
  ])("%s", (_, value, message) => {
    expect(refusal(saved(torchFile(value))).message).toContain(message);
  });

  test("but reads strides of which elements overlap or repeat", () => {
    const bytes = new Uint8Array(Float32Array.of(1, 2, 3, 4).buffer);
    const value = dict({
      "readouts.0.a": rawTensor({ kind: "Float", bytes, shape: [3, 2], strides: [1, 1] }),
      "readouts.0.b": rawTensor({ kind: "Float", bytes, shape: [2, 3], strides: [0, 1] }),
    });
    using file = openForeignCheckpoint(saved(torchFile(value)));
    expect([...file.tensors.values()].map((array) => [...array.read().data])).toEqual([
      [1, 2, 2, 3, 3, 4],
      [1, 2, 3, 1, 2, 3],
    ]);
  });

  const BOMB_BYTES = 2 ** 26 + 1;

  test("with entries that unpack to far more than they weigh", () => {
    const bomb = deflateRawSync(Buffer.alloc(BOMB_BYTES));
    expect(bomb.length).toBeLessThan(2 ** 18);
    const before = process.memoryUsage().arrayBuffers;
    for (const name of ["archive/data.pkl", "archive/data/0"]) {
      const { message } = refusal(saved(packed(name, bomb, BOMB_BYTES)));
      expect(message).toContain(`its entry "${name}" takes ${bomb.length} bytes and would unpack to ${BOMB_BYTES}`);
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 26);
  });

  test("with sizes larger than the file", () => {
    const path = saved(packed("archive/data.pkl", Buffer.from("abc"), 2 ** 31, 0));
    expect(refusal(path).message).toMatch(/would unpack to|sizes|lies outside/);
  });

  test("whose lists are named so often that they would never end", () => {
    let list: unknown = "lol";
    for (let i = 0; i < 30; i++) {
      const inner = new Shared(list);
      list = Array.from({ length: 10 }, () => inner);
    }
    const started = performance.now();
    using file = openForeignCheckpoint(saved(torchFile(dict({ state_dict: state, hyper_parameters: dict({ list }) }))));
    expect(performance.now() - started).toBeLessThan(3000);
    expect(file.leftOut).toEqual([expect.stringContaining("too many values")]);
  });

  test("that are missing, folders, or may not be read", () => {
    expect(refusal(join(folder, "nowhere.ckpt")).message).toContain("no such file");
    expect(refusal(folder).message).toContain("it is a folder, not a file");
    const path = saved(sound);
    chmodSync(path, 0o000);
    // The superuser may read everything.
    if (process.getuid?.() === 0) expect(() => openForeignCheckpoint(path)[Symbol.dispose]()).not.toThrow();
    else expect(refusal(path).message).toContain("permission denied");
  });

  test("names of classes that PyTorch itself writes are no reason to refuse", () => {
    const value = dict({ state_dict: state, hyper_parameters: dict({ dtype: new Global("torch", "bfloat16") }) });
    using file = openForeignCheckpoint(saved(torchFile(value)));
    expect(file.hyperParameters).toEqual({ dtype: "torch.bfloat16" });
  });

  test("and leaves the file as it was", () => {
    const path = saved(sound);
    openForeignCheckpoint(path)[Symbol.dispose]();
    expect(Buffer.compare(readFileSync(path), sound)).toBe(0);
  });
});

function zipped(name: string, bytes: Uint8Array): Buffer {
  return packed(name, bytes, bytes.length, 0);
}

/** A zip archive with one entry whose sizes are what one likes. */
function packed(name: string, bytes: Uint8Array, size: number, method = 8): Buffer {
  const field = Buffer.from(name);
  const common = Buffer.alloc(26);
  common.writeUInt16LE(20, 0);
  common.writeUInt16LE(method, 4);
  common.writeUInt32LE(bytes.length, 14);
  common.writeUInt32LE(size, 18);
  common.writeUInt16LE(field.length, 22);
  const local = Buffer.concat([Buffer.from("PK\u0003\u0004"), common, field, bytes]);
  const directory = Buffer.concat([Buffer.from("PK\u0001\u0002\u0014\u0000"), common, Buffer.alloc(14), field]);
  const end = Buffer.alloc(22);
  end.write("PK\u0005\u0006");
  end.writeUInt16LE(1, 8);
  end.writeUInt16LE(1, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(local.length, 16);
  return Buffer.concat([local, directory, end]);
}
