import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageProperties } from '../../src/blip/index.js';
import { collectionProperty, readCollectionIndex } from '../../src/replicator/collection-index.js';

describe('the collection of a message', () => {
  const read = (text: string) => readCollectionIndex(new MessageProperties(['collection', text]));

  it('is a decimal index', () => {
    assert.equal(read('0'), 0);
    assert.equal(read('17'), 17);
    assert.equal(read('007'), 7);
  });

  it('is absent where the property is, or is empty', () => {
    assert.equal(readCollectionIndex(MessageProperties.NONE), undefined);
    assert.equal(read(''), undefined);
  });

  it('is no index otherwise', () => {
    for (const text of ['-1', 'abc', '1.0', '1e3', '0x1', ' 1', '1 ', '١', '9999999', 'NaN', 'length']) {
      assert.equal(Number.isNaN(read(text)), true, text);
    }
  });

  it('is written as it is read, and left out in the old mode', () => {
    assert.deepEqual(collectionProperty(3), { collection: '3' });
    assert.deepEqual(collectionProperty(undefined), {});
  });
});
