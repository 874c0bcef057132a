// This file goes away: the tools for gradient checks are in comparison.fake.ts (doubles, shaken, expectTrueGradients,
// expectSameOutcome for the two formulations). Import from there.
