/** What this machine cannot do, rather than what is wrong with hawser: told without a stack, and no failure with `--if-possible`. */
export class MachineProblem extends Error {}
