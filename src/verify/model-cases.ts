/**
 * @file Golden cases with stored weights: single components and reduced models, forward and backward.
 */

import {
  AdapterSchema,
  BlockSchema,
  ConvnetSchema,
  ConvParamsSchema,
  FrontendSchema,
  HistoryEncoderSchema,
  ModulatorSchema,
  ReadoutSchema,
  RecurrentSchema,
} from "../config/golden-schemas.ts";
