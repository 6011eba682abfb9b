import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addressGroup } from '../../src/listener/address-group.js';

describe('addresses that count as one', () => {
  for (const [address, group] of [
    ['192.0.2.7', '192.0.2.7'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['::FFFF:192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:0DB8:0001:0002::1', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:db8:1::3:4:5:6', '2001:db8:1:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
    ['64:ff9b::192.0.2.33', '64:ff9b:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['/dev/ttyUSB0', '/dev/ttyUSB0'],
    ['', undefined],
    [undefined, undefined],
  ] as const) {
    test(`${String(address)} is one of ${String(group)}`, () => assert.equal(addressGroup(address), group));
  }
});
