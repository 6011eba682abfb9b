import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { applyDelta } from '../../src/delta/index.js';

const DEEP = (count: number): string => '['.repeat(count) + ']'.repeat(count);

describe('applyDelta', () => {
  const rows: readonly [oldBody: string, delta: string, newBody: string][] = [
    ['{ "a" : 1.0, "b":1e400 }', '{}', '{ "a" : 1.0, "b":1e400 }'],
    ['{"a":1,"b":2,"c":3}', '{"a":[]}', '{"b":2,"c":3}'],
    ['{"a":1,"b":2,"c":3}', '{"b":[]}', '{"a":1,"c":3}'],
    ['{"a":1,"b":2,"c":3}', '{"b":[],"c":[]}', '{"a":1}'],
    ['{"a":1,"b":2,"c":3}', '{"a":[],"b":[]}', '{"c":3}'],
    ['{"a":1,"b":2,"c":3}', '{"a":[],"c":[]}', '{"b":2}'],
    ['{"a":1,"b":2,"c":3}', '{"a":[],"b":[],"c":[],"d":4}', '{"d":4}'],
    ['{"a":1, "b":2}', '{"a":[7,8,0],"b":[2,[]],"c":[[]]}', '{"b":[],"c":[]}'],
    ['{}', '{"a":null,"":1e2}', '{"a":null,"":1e2}'],
    ['{"__proto__":1}', '{"__proto__":{},"constructor":2}', '{"__proto__":1,"constructor":2}'],
    ['{"a":1}', '[{"b":2}]', '{"b":2}'],
    ['{"a":1}', '[null,{"b":2}]', '{"b":2}'],
    ['{"a":[]}', '{"a":{"0-":[1]}}', '{"a":[1]}'],
    ['{"a":[1, 2 ]}', '{"a":{"0-":[]}}', '{"a":[]}'],
    ['{"a":[1, 2 , 3]}', '{"a":{"1-":[]}}', '{"a":[1]}'],
    ['{"a":[1,2,3]}', '{"a":{"0":[[]],"1-":[{},5]}}', '{"a":[[],{},5]}'],
    ['{"a":[1]}', '{"a":{"1-":[]}}', '{"a":[1]}'],
    ['{"3-":[1],"3":1}', '{"3-":[4,5],"3":[]}', '{"3-":5}'],
    ['{"s":"a\\u0062c"}', '{"s":["1=1-1+\\"|1=",0,2]}', '{"s":"a\\"c"}'],
    ['{"s":""}', '{"s":["2+ä|0=",0,2]}', '{"s":"ä"}'],
    ['{"s":"ab"}', '{"s":["2-",9,2]}', '{"s":""}'],
    // Past the end of an array everything is ignored, as a core does (specification 0.4.20).
    ['{"a":[1]}', '{"a":{"1":5}}', '{"a":[1]}'],
    ['{"a":[1]}', '{"a":{"999999999-":[]}}', '{"a":[1]}'],
    ['{"a":[1]}', '{"a":{"0":2,"7":{"x":1},"99999999999999999999-":[1]}}', '{"a":[2]}'],
  ];
  for (const [oldBody, delta, newBody] of rows) {
    test(`makes ${newBody} of ${oldBody} by ${delta}`, () => {
      assert.equal(applyDelta(oldBody, delta), newBody);
    });
  }

  const OLD = '{"n":1,"s":"aé","a":[1,2,3],"o":{"x":1}}';
  const misfits: readonly [title: string, delta: string, message: RegExp][] = [
    ['nothing', '', /cannot be read/],
    ['no JSON', '{"n":', /cannot be read/],
    ['two values', '{} {}', /cannot be read/],
    ['half of a surrogate pair', '{"n":"\\ud800"}', /surrogate/],
    ['a body that is deleted', '[]', /no object/],
    ['a body that is an array', '[[1]]', /no object/],
    ['a body that is a number', '5', /no object/],
    ['a repeated key', '{"n":2,"n":3}', /repeated key/],
    ['an array of four', '{"n":[1,2,3,4]}', /unknown instruction/],
    ['a code that nobody knows', '{"n":[1,2,1]}', /unknown instruction/],
    ['a code that is a text', '{"n":[1,2,"0"]}', /unknown instruction/],
    ['an edit that is no text', '{"s":[3,0,2]}', /unknown instruction/],
    ['a deletion of nothing', '{"x":[]}', /does not exist/],
    ['a change of nothing', '{"x":{}}', /does not exist/],
    ['a replacement of nothing', '{"x":[1,2]}', /does not exist/],
    ['an edit of nothing', '{"x":["1=",0,2]}', /does not exist/],
    ['the inside of a number', '{"n":{"x":1}}', /no inside/],
    ['a deletion from an array', '{"a":{"1":[]}}', /cannot be deleted/],
    ['an index with a zero before it', '{"a":{"01":1}}', /no index/],
    ['an index below zero', '{"a":{"-1":1}}', /no index/],
    ['a name in an array', '{"a":{"x":1}}', /no index/],
    ['a remainder that is a number', '{"a":{"1-":1}}', /no array/],
    ['two remainders', '{"a":{"1-":[],"2-":[]}}', /second remainder/],
    ['a change to what is replaced', '{"a":{"1-":[],"2":1}}', /remainder replaces/],
    ['an edit of a number', '{"n":["1=",0,2]}', /where there is none/],
    ['an empty edit', '{"s":["",0,2]}', /empty edit/],
    ['an edit that stops short', '{"s":["1=",0,2]}', /1 of the 3 bytes/],
    ['an edit that goes too far', '{"s":["4=",0,2]}', /longer than the text/],
    ['an edit with a huge count', '{"s":["9999999999=",0,2]}', /longer than the text/],
    ['an edit with a count of eleven digits', '{"s":["00000000003=",0,2]}', /unknown instruction at byte 10/],
    ['an edit below zero', '{"s":["-1=",0,2]}', /no count/],
    ['an edit without a count', '{"s":["=",0,2]}', /no count/],
    ['an edit without an instruction', '{"s":["3",0,2]}', /unknown instruction at byte 1/],
    ['an edit that halves a character', '{"s":["2=1-",0,2]}', /splits the character at byte 2/],
    ['an insertion without an end', '{"s":["3=5+ab|",0,2]}', /without an end/],
    ['an insertion that halves a character', '{"s":["3=1+ä|",0,2]}', /without an end/],
    ['an insertion with a huge count', '{"s":["3=9999999999+a|",0,2]}', /without an end/],
    ['a depth beyond that of documents', `{"n":[${DEEP(100)}]}`, /more than 100 objects and arrays/],
    ['a depth beyond that of programs', DEEP(200_000), /more than 100 objects and arrays/],
  ];
  for (const [title, delta, message] of misfits) {
    test(`refuses ${title}`, () => {
      assert.throws(() => applyDelta(OLD, delta), { code: 'DELTA_INVALID', number: 32, message });
    });
  }

  test('allows the depth of documents to the last level', () => {
    assert.equal(applyDelta(OLD, `{"n":[${DEEP(99)}]}`), OLD.replace('1', DEEP(99)));
    assert.equal(applyDelta('{}', '{"a":[[]]}', { maxDepth: 2 }), '{"a":[]}');
    assert.throws(() => applyDelta('{}', '{"a":[[[]]]}', { maxDepth: 2 }), { code: 'DELTA_INVALID' });
    assert.throws(() => applyDelta('{}', '{"a":[[]]}', { maxDepth: 1 }), { code: 'DELTA_INVALID' });
    assert.throws(() => applyDelta('{"a":[[]]}', '{"b":1}', { maxDepth: 2 }), { code: 'DELTA_INVALID' });
  });

  test('allows the size of documents to the last byte', () => {
    assert.equal(applyDelta('{"a":1}', '{"a":"é"}', { maxBytes: 10 }), '{"a":"é"}');
    assert.throws(() => applyDelta('{"a":1}', '{"a":"é"}', { maxBytes: 9 }), { code: 'DELTA_INVALID' });
  });

  test('takes millions of tiny pieces', () => {
    const text = 'x'.repeat(1_000_000);
    assert.equal(applyDelta(`{"s":"${text}"}`, `{"s":["${'0=1=1+y|'.repeat(1_000_000)}",0,2]}`).length, 2_000_008);
  });
});
