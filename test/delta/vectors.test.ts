/** Deltas that a real Couchbase Lite core made, and the examples of the specification. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { canonicalJson } from '../../src/base/index.js';
import { applyDelta, createDelta } from '../../src/delta/index.js';
import { sharedData, skipWithout } from '../support/shared-data.js';

interface Vector {
  readonly old: unknown;
  readonly new: unknown;
  readonly delta: string;
}

const FILE = 'captures/deltas.json';

describe('deltas of a real core', skipWithout(FILE), () => {
  const path = sharedData(FILE);
  const vectors: readonly Vector[] = path === undefined ? [] : JSON.parse(readFileSync(path, 'utf8')).vectors;

  test('are enough to mean something', () => {
    assert.ok(vectors.length >= 15, `${vectors.length}`);
  });

  for (const { old, new: changed, delta } of vectors) {
    const [oldBody, newBody] = [JSON.stringify(old), JSON.stringify(changed)];

    test(`applies ${delta}`, () => {
      assert.equal(canonicalJson(applyDelta(oldBody, delta)), canonicalJson(newBody));
    });

    test(`makes ${delta}, or an edit no more than a character longer`, () => {
      const ours = createDelta(oldBody, newBody);
      assert.equal(canonicalJson(applyDelta(oldBody, ours)), canonicalJson(newBody));
      // A text has many shortest edits, and which of them is found decides what can be joined afterwards.
      if (!delta.includes(',0,2]')) assert.equal(ours, delta);
      else assert.ok(ours.length <= delta.length + 1, ours);
    });
  }
});

describe('the examples of the specification', () => {
  const rows: readonly [oldValue: string, newValue: string, delta: string][] = [
    [
      '{"rpm":1200,"mode":3,"oil":{"bar":4,"u":"b"}}',
      '{"rpm":1250,"oil":{"bar":5}}',
      '{"rpm":1250,"oil":{"bar":5,"u":[]},"mode":[]}',
    ],
    ['{"a":[10,20,30]}', '{"a":[10,20,30,40]}', '{"a":{"3-":[40]}}'],
    ['{"a":[10,20,30,40]}', '{"a":[10,20]}', '{"a":{"2-":[]}}'],
    ['{"a":[10,20,30,40,50,60]}', '{"a":[10,20,30,45,55]}', '{"a":{"3":45,"4":55,"5-":[]}}'],
    ['{"taps":[]}', '{"taps":[7]}', '{"taps":[[7]]}'],
    ['{"taps":[7]}', '{"taps":{"x":7}}', '{"taps":[{"x":7}]}'],
    [
      '{"s":"coolant at 71 °C, port engine, raw-water pump checked at the last call"}',
      '{"s":"coolant at 74 °C, port engine, raw-water pump checked at the last call"}',
      '{"s":["12=1-1+4|58=",0,2]}',
    ],
  ];
  for (const [oldBody, newBody, delta] of rows) {
    test(`makes and applies ${delta}`, () => {
      assert.equal(createDelta(oldBody, newBody), delta);
      assert.equal(applyDelta(oldBody, delta), newBody);
    });
  }
});
