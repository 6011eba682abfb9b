import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { InsertBacklog } from '../../src/replicator/insert-backlog.js';

const MAX = 4 * 1024 * 1024;

describe('InsertBacklog', () => {
  it('stops the reading above its limit, until half of that is left', async () => {
    const backlog = new InsertBacklog(MAX);
    assert.equal(backlog.gate(), undefined);
    const quarter = MAX / 4;
    for (let count = 0; count < 5; count++) backlog.add(quarter);
    const gate = backlog.gate();
    assert.ok(gate);
    assert.equal(backlog.gate(), gate);
    let isOpen = false;
    void gate.then(() => (isOpen = true));
    for (const expected of [false, false, false, true]) {
      backlog.remove(quarter);
      await Promise.resolve();
      assert.equal(isOpen, expected);
    }
    assert.equal(backlog.gate(), undefined);
    backlog.remove(quarter);
    assert.equal(backlog.gate(), undefined);
  });

  it('counts empty revisions too', () => {
    const backlog = new InsertBacklog(MAX);
    let count = 0;
    while (backlog.gate() === undefined && count < 100_000) {
      backlog.add(0);
      count++;
    }
    assert.ok(count < 20_000, String(count));
  });

  it('counts the revisions of a batch one by one', () => {
    const [one, many] = [new InsertBacklog(MAX), new InsertBacklog(MAX)];
    const size = 50;
    for (let added = 0; one.gate() === undefined; added += size) {
      assert.equal(many.gate(), undefined, `${added}`);
      for (let count = 0; count < size; count++) one.add(100);
      many.add(size * 100, size);
    }
    assert.ok(many.gate());
    many.remove(size * 100, size);
    one.remove(size * 100, size);
    assert.deepEqual([one.gate(), many.gate()], [undefined, undefined]);
  });
});
