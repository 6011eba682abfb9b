/** What a test undoes at its end, the last first: a folder is removed after what was mounted or opened in it. */
import type { TestContext } from 'node:test';

const pending = new WeakMap<TestContext, (() => unknown)[]>();

export function cleanup(context: TestContext, undo: () => unknown): void {
  const known = pending.get(context);
  if (known !== undefined) {
    known.push(undo);
    return;
  }
  const list = [undo];
  pending.set(context, list);
  context.after(async () => {
    for (let next = list.pop(); next !== undefined; next = list.pop()) await next();
  });
}
