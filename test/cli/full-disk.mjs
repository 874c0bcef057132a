/**
 * @file Preloaded into a process whose disk is to be full: after VISIONCORE_FREE_BYTES bytes every write fails.
 */
import fs from "node:fs";
import { syncBuiltinESMExports } from "node:module";

let free = Number(process.env.VISIONCORE_FREE_BYTES);
const writeSync = fs.writeSync;

fs.writeSync = (fd, bytes, ...rest) => {
  free -= bytes.length;
  if (free < 0) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
  return writeSync(fd, bytes, ...rest);
};
syncBuiltinESMExports();
