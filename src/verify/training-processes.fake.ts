/**
 * @file One real process of the golden run of two, for a test: `node --import tsx training-processes.fake.ts <folder> <rank>
 * <port>`. Prints the result of the comparison as JSON.
 */
import { initProcessGroup, setNumThreads } from "../torch/index.ts";
import { Replica } from "../training/distributed.ts";
import { runCase } from "./golden.ts";
import { readGoldenRank } from "./training-processes.ts";
import { GoldenRun } from "./training-trajectory.ts";

const [folder = "", rank = "0", port = "0"] = process.argv.slice(2);
setNumThreads(1);
const golden = readGoldenRank(folder, Number(rank));
const group = await initProcessGroup({
  rank: Number(rank),
  world: golden.world,
  address: "127.0.0.1",
  port: Number(port),
});
const result = runCase("trajectory_ddp", (compare) => {
  using run = new GoldenRun(golden);
  // Whatever rank 1 starts with, rank 0's weights are what counts.
  if (group.rank > 0) for (const parameter of run.parameters) parameter.detach().zero_();
  const replica = new Replica(group, run.twin);
  replica.begin(run.twin, {});
  for (const { validated } of run.train(compare)) {
    if (validated === null) replica.averageGradients(run.parameters);
  }
  run.compareFinal(compare);
});
group.destroy();
process.stdout.write(JSON.stringify(result));
