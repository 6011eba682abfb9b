/** The passive side of a medium: one link and one candidate, whoever knocks. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { SharedRate } from '../../transports/link/index.js';
import { Acceptor, type Link } from '../../transports/link/machine/index.js';
import {
  decodePacket,
  encodeAcknowledgement,
  encodeClose,
  encodeClosed,
  encodeGreeting,
  encodeReset,
  startData,
  type Packet,
} from '../../transports/link/machine/packet.js';
import { LINK, message } from './pair.js';

/** An acceptor whose links have the tags 1000, 1001 … */
function newAcceptor(options = LINK): Acceptor {
  let tag = 1_000;
  return new Acceptor(options, () => tag++);
}

const hello = (tag: number): Uint8Array =>
  encodeGreeting('hello', 0, { version: 1, tag, maxPacketSize: 107, credit: 10_000 });
const question = (tag: number): Uint8Array =>
  encodeAcknowledgement(tag, { next: 0, credit: 10_000, ahead: [], wantsAnswer: true }, 107);

function drain({ poll }: { poll: () => Uint8Array | undefined }): Packet[] {
  const packets: Packet[] = [];
  for (let bytes = poll(); bytes !== undefined; bytes = poll()) {
    const packet = decodePacket(bytes);
    assert.ok(packet !== undefined && packets.length < 100);
    packets.push(packet);
  }
  return packets;
}

function said(acceptor: Acceptor, now = 0): string[] {
  return drain({ poll: () => acceptor.poll(now) }).map(({ kind, tag }) => `${kind} ${tag}`);
}

function make(acceptor: Acceptor, peerTag: number, tag: number): Link {
  acceptor.receive(hello(peerTag), 0);
  assert.deepEqual(said(acceptor), [`welcome ${peerTag}`]);
  const link = acceptor.receive(question(tag), 0);
  assert.ok(link !== undefined);
  return link;
}

describe('an acceptor', () => {
  test('answers each hello with one welcome, and keeps one candidate of a flood of them', () => {
    const acceptor = newAcceptor();
    for (let tag = 1; tag <= 5_000; tag++) {
      acceptor.receive(hello(tag), tag);
      assert.deepEqual(said(acceptor, tag), [`welcome ${tag}`]);
    }
    assert.equal(acceptor.wakeAt(5_000), Infinity);
    // The one that came last is the one that can go on.
    assert.equal(acceptor.receive(question(1_000), 5_000), undefined);
    assert.notEqual(acceptor.receive(question(5_999), 5_000), undefined);
  });

  test('says one welcome for all hellos that came since it was asked', () => {
    const acceptor = newAcceptor();
    for (let tag = 1; tag <= 100; tag++) acceptor.receive(hello(tag), 0);
    assert.deepEqual(said(acceptor), ['welcome 100']);
  });

  test('leaves a link alone that a flood of hellos is about, and replaces it for the third packet', () => {
    const acceptor = newAcceptor();
    const link = make(acceptor, 1, 1_000);
    for (let tag = 2; tag <= 500; tag++) acceptor.receive(hello(tag), 0);
    assert.equal(link.state, 'open');
    said(acceptor);
    const next = acceptor.receive(question(1_499), 0);
    assert.equal(link.end?.kind, 'replaced');
    assert.equal(link.poll(0), undefined);
    assert.equal(next?.state, 'open');
  });

  test('ignores a hello of the link that there is', () => {
    const acceptor = newAcceptor();
    const link = make(acceptor, 1, 1_000);
    for (let count = 0; count < 10; count++) acceptor.receive(hello(1), 0);
    assert.deepEqual(said(acceptor), []);
    assert.equal(link.state, 'open');
  });

  test('tells the sender of a packet that is of no link, at most every 100 ms, and only for what a link would say', () => {
    const acceptor = newAcceptor();
    const strange: readonly [Uint8Array, string[]][] = [
      [startData(7, 0, 5), ['reset 7']],
      [question(8), ['reset 8']],
      [encodeClose(9, 1000, '', 100), ['reset 9']],
      [encodeClosed(10), []],
      [encodeReset(11), []],
      [encodeGreeting('welcome', 12, { version: 1, tag: 1, maxPacketSize: 100, credit: 0 }), []],
      [Uint8Array.of(1, 2, 3, 4, 5), []],
    ];
    strange.forEach(([bytes, answer], index) => {
      acceptor.receive(bytes, index * 100);
      assert.deepEqual(said(acceptor, index * 100), answer);
    });
    for (let now = 10_000; now < 11_000; now++) {
      acceptor.receive(question(13), now);
      assert.equal(said(acceptor, now).length, now % 100 === 0 ? 1 : 0);
    }
    acceptor.receive(question(13), 11_050);
    assert.deepEqual(said(acceptor, 11_050), ['reset 13']);
    assert.deepEqual(said(acceptor, 20_000), [], 'nothing is said later');
  });

  test('gives no tag that is not one, nor that of a link it has', () => {
    const tags = [0, 2 ** 24, 1_000, 1_000, 1_000, 1_001, 1_002];
    const acceptor = new Acceptor(LINK, () => tags.shift() ?? assert.fail('no more tags'));
    make(acceptor, 1, 1_000);
    acceptor.receive(hello(2), 0);
    assert.notEqual(acceptor.receive(question(1_001), 0), undefined);
  });

  test('has nothing to do with a link any more that was forgotten', () => {
    const acceptor = newAcceptor();
    const link = make(acceptor, 1, 1_000);
    acceptor.forget(link);
    acceptor.receive(question(1_000), 0);
    assert.deepEqual(said(acceptor), ['reset 1000']);
  });
});

describe('an acceptor whose link has ended', () => {
  test('goes on answering a close that is repeated', () => {
    const acceptor = newAcceptor();
    const link = make(acceptor, 1, 1_000);
    for (let count = 0; count < 3; count++) {
      acceptor.receive(encodeClose(1_000, 1000, '', 100), count);
      assert.deepEqual(said(acceptor, count), ['closed 1']);
    }
    assert.equal(link.end?.kind, 'closed');
  });

  test('answers the close of a link that was closed before it was made', () => {
    const acceptor = newAcceptor();
    acceptor.receive(hello(1), 0);
    said(acceptor);
    for (let count = 0; count < 3; count++) {
      assert.equal(acceptor.receive(encodeClose(1_000, 1000, '', 100), count), undefined);
      assert.deepEqual(said(acceptor, count), ['closed 1']);
    }
    // Its hello, which comes again, makes nothing new; that of another one does.
    acceptor.receive(hello(1), 0);
    assert.deepEqual(said(acceptor), []);
    make(acceptor, 2, 1_001);
  });

  test('wakes up for what the rate of the line held back', () => {
    const rate = new SharedRate({ bytesPerSecond: 10, burstMs: 0 });
    const acceptor = newAcceptor({ ...LINK, rate: rate.share() });
    acceptor.receive(hello(1), 0);
    assert.deepEqual(said(acceptor), ['welcome 1']);
    assert.notEqual(acceptor.receive(question(1_000), 0), undefined);
    acceptor.receive(encodeClose(1_000, 1000, '', 100), 0);
    assert.deepEqual(said(acceptor), []);
    const at = acceptor.wakeAt(0);
    assert.equal(at, 1_500);
    assert.deepEqual(said(acceptor, at), ['closed 1']);
    assert.equal(acceptor.wakeAt(at), Infinity);
  });

  test('does not give up the turn of its link on a shared line, because it has nothing to say itself', () => {
    const line = new SharedRate({ bytesPerSecond: 1_000, burstMs: 0 });
    const acceptor = newAcceptor({ ...LINK, rate: line.share('high') });
    const other = line.share('low');
    const link = make(acceptor, 1, 1_000);
    acceptor.receive(hello(2), 0); // an old one: nothing follows
    assert.deepEqual(said(acceptor, 100), ['welcome 2']);
    link.send(message(10));
    assert.equal(link.poll(100), undefined);
    assert.deepEqual(said(acceptor, 100), []);
    const free = link.wakeAt(100);
    acceptor.poll(free);
    assert.ok(other.readyAt(free) > free, 'the lower priority goes first');
  });
});
