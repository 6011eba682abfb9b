/** The comparison that decides the exit status of the vessel example. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, test, type TestContext } from 'node:test';
import {
  compare,
  compareAll,
  describe as inWords,
  isEqual,
  readDigests,
  writeDigests,
} from '../../device-examples/vessel/compare.js';
import type { Digests, DocumentSource } from '../../device-examples/vessel/compare.js';
import { temporaryDirectory } from '../support/temporary-directory.js';

type Entry = readonly [id: string, revisionID: string, text: string];

function collection(fullName: string, entries: readonly Entry[]): DocumentSource {
  return {
    fullName,
    async *documents() {
      for (const [id, revisionID, text] of entries) yield { id, revisionID, toJSONText: () => text };
    },
  };
}

async function digestsOf(context: TestContext, ...collections: DocumentSource[]): Promise<Digests> {
  const file = join(await temporaryDirectory(context), 'digests.txt');
  await writeDigests(file, collections);
  return readDigests(file);
}

const wind: Entry = ['weather.II-1', '1-aa', '{"value":6.9}'];
const speed: Entry = ['navigation.II-1', '1-bb', '{"value":2.99}'];

describe('a comparison of documents', () => {
  test('finds a document that the bridge does not have', async (context) => {
    const node = await digestsOf(context, collection('weather', [wind, ['weather.II-2', '1-cc', '{}']]));
    const result = compare([node], await digestsOf(context, collection('weather', [wind])));
    assert.deepEqual(result, { equal: 1, missing: ['weather/weather.II-2'], surplus: [], different: [] });
    assert.equal(isEqual(result), false);
    assert.match(inWords(result), /^1 documents equal .*, 1 missing somewhere \(such as weather\/weather\.II-2\)$/);
  });

  test('finds a document that only the bridge has', async (context) => {
    const bridge = await digestsOf(context, collection('weather', [wind]), collection('navigation', [speed]));
    const result = compare([await digestsOf(context, collection('weather', [wind]))], bridge);
    assert.deepEqual(result, { equal: 1, missing: [], surplus: ['navigation/navigation.II-1'], different: [] });
    assert.equal(isEqual(result), false);
  });

  for (const [what, other] of [
    ['revision', [wind[0], '2-dd', wind[2]]],
    ['body', [wind[0], wind[1], '{"value":7.0}']],
  ] as const) {
    test(`finds a document with another ${what}`, async (context) => {
      const node = await digestsOf(context, collection('weather', [wind]));
      const result = compare([node], await digestsOf(context, collection('weather', [other])));
      assert.deepEqual(result, { equal: 0, missing: [], surplus: [], different: ['weather/weather.II-1'] });
      assert.equal(isEqual(result), false);
    });
  }

  test('finds a document that differs between two nodes', async (context) => {
    const one = await digestsOf(context, collection('weather', [wind]));
    const two = await digestsOf(context, collection('weather', [[wind[0], '1-ee', wind[2]]]));
    const result = compare([one, two], one);
    assert.deepEqual(result.different, ['weather/weather.II-1']);
    assert.equal(isEqual(result), false);
  });

  test('tells documents of one ID in two collections apart', async (context) => {
    const node = await digestsOf(context, collection('weather', [wind]));
    const bridge = await digestsOf(context, collection('navigation', [wind]));
    assert.equal(isEqual(compare([node], bridge)), false);
  });

  test('is no success when there is nothing to compare', async (context) => {
    const nothing = await digestsOf(context, collection('weather', []));
    assert.equal(isEqual(compare([nothing], nothing)), false);
  });

  test('is a success when nodes and bridge have the same, whatever is in an ID', async (context) => {
    const odd: Entry = ['a b\u2028ü%', '1-ff', '{}'];
    const one = await digestsOf(context, collection('weather', [wind, odd]));
    const two = await digestsOf(context, collection('navigation', [speed]));
    const bridge = await digestsOf(context, collection('navigation', [speed]), collection('weather', [odd, wind]));
    const result = compare([one, two], bridge);
    assert.deepEqual(result, { equal: 3, missing: [], surplus: [], different: [] });
    assert.equal(isEqual(result), true);
  });
});

/** What each has: readings of weather, of navigation, and orders. */
type Stations = Readonly<Record<'weather' | 'navigation' | 'bridge' | 'shore', readonly (readonly Entry[])[]>>;

describe('a comparison along the whole way', () => {
  const order: Entry = ['course', '1-aa', '{"text":"Make for Gdynia"}'];

  async function compared(context: TestContext, stations: Stations) {
    const digests = (name: keyof Stations): Promise<Digests> => {
      const [weather = [], navigation = [], orders = []] = stations[name];
      return digestsOf(
        context,
        ...[collection('weather', weather), collection('navigation', navigation), collection('orders', orders)],
      );
    };
    const nodes = [await digests('weather'), await digests('navigation')];
    return compareAll(nodes, await digests('bridge'), await digests('shore'), 'orders/');
  }

  const complete = {
    weather: [[wind], [], [order]],
    navigation: [[], [speed], [order]],
    bridge: [[wind], [speed], [order]],
    shore: [[wind], [speed], [order]],
  };

  test('is a success when everybody has what is meant for him', async (context) => {
    const result = await compared(context, complete);
    assert.deepEqual([isEqual(result), result.equal], [true, 3]);
  });

  for (const [what, stations, missing] of [
    ['a reading on the shore', { ...complete, shore: [[wind], [], [order]] }, ['navigation/navigation.II-1']],
    ['an order on one node', { ...complete, weather: [[wind], [], []] }, ['orders/course']],
    ['an order everywhere but on the shore', { ...complete, shore: [[wind], [speed], []] }, ['orders/course']],
  ] as const) {
    test(`finds ${what} missing`, async (context) => {
      const result = await compared(context, stations);
      assert.equal(isEqual(result), false);
      assert.deepEqual(result.missing, missing);
    });
  }
});
