#!/usr/bin/env node
/**
 * @file The `visioncore` program.
 */
import { runCli } from "./program.ts";

await runCli(process.argv.slice(2));
