/**
 * @file What measure.mjs found, as a section of docs/performance.md.
 */

const PRECISIONS = [
  { precision: "32", label: "float32" },
  { precision: "bf16-mixed", label: "bf16" },
];

/** A section as Markdown, without a heading. Stages that failed are named; their numbers are left out. */
export function renderSection({ date, device, commit, node, settings, stages }) {
  const results = new Map(stages.filter(({ status }) => status === 0).map(({ name, result }) => [name, result]));
  const parts = [
    `Measured ${date} ${machine(results, device)}, Node ${node.replace("v", "")}, commit ${commit ?? "unknown"}.`,
    trainingSteps(results, settings),
    correctness(results),
    failures(stages),
    ["Commands, in this order:", "", "```bash", ...stages.map(({ command }) => command), "```"].join("\n"),
  ];
  return `${parts.filter((part) => part !== "").join("\n\n")}\n`;
}

function machine(results, device) {
  const timed = results.get("reference 32") ?? results.get("reference bf16-mixed");
  if (!timed) return `with --device ${device}`;
  const { device_name, threads, libtorch, cuda } = timed;
  return `on ${device_name}, ${cuda ? `CUDA ${cuda}` : `${threads} threads`}, PyTorch ${libtorch}`;
}

function trainingSteps(results, { batch, sessions, units, lags }) {
  const rows = PRECISIONS.flatMap(({ precision, label }) => rowsOf(label, precision, results));
  if (rows.length === 0) return "";
  const products = PRECISIONS.flatMap(({ precision, label }) => {
    const rate = results.get(`reference ${precision}`)?.matmul_tflops;
    return rate ? [`${rate.toPrecision(3)} TFLOP/s in ${label}`] : [];
  });
  return [
    `Training step of the flagship: batch of ${batch} from ${sessions} sessions of ${units} units, ${lags} lags.`,
    "",
    "| precision | formulation | samples/s | ratio | share of a matrix product | peak memory |",
    "|---|---|---|---|---|---|",
    ...rows,
    ...(products.length > 0 ? ["", `A large matrix product runs at ${products.join(" and ")}.`] : []),
  ].join("\n");
}

function rowsOf(label, precision, results) {
  const [ours, reference] = [results.get(`ours ${precision}`), results.get(`reference ${precision}`)];
  const row = (name, rate, memory) => {
    const ratio = reference && (rate / reference.samples_per_s).toFixed(2);
    // The operations of the reference formulation for every row, so that the shares compare like the rates.
    const flops = reference && (rate * reference.model_gflop_per_sample) / 1e3;
    const share = reference && `${Math.round((100 * flops) / reference.matmul_tflops)} %`;
    return `| ${label} | ${name} | ${rate.toPrecision(3)} | ${ratio ?? ""} | ${share ?? ""} | ${memory} |`;
  };
  return [
    ...(reference ? [row("reference, PyTorch eager", reference.samples_per_s, gigabytes(reference))] : []),
    ...(ours ? [row("reference, our modules", ours.reference_samples_per_s, "")] : []),
    ...(ours ? [row("VisionCore", ours.samples_per_s, gigabytes(ours))] : []),
  ];
}

function gigabytes({ peak_memory_bytes }) {
  return `${(peak_memory_bytes / 1e9).toPrecision(2)} GB`;
}

function correctness(results) {
  const lines = [];
  const [verify, check] = [results.get("verify"), results.get("check")];
  if (verify) lines.push(`\`visioncore verify\` on the golden models: ${verify}.`);
  if (check) {
    const share = `${Math.ceil(100 * check.tolerance_used)} %`;
    lines.push(`The formulation in PyTorch meets the golden full-size case, using ${share} of the tolerance.`);
  }
  return lines.join("\n");
}

function failures(stages) {
  const failed = stages.filter(({ status }) => status !== 0);
  if (failed.length === 0) return "";
  const names = failed.map(({ name, status }) => `${name} (${status === null ? "stopped" : `status ${status}`})`);
  return `**Did not succeed:** ${names.join(", ")}.`;
}
