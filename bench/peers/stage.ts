/** What one run of one subject needs: processes, folders, and a relay that counts. All of it is gone afterwards. */
import { mkdtempSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CountingRelay } from '../relay.js';
import { PeerProcess } from './peer-process.js';
import type { Subject } from './subjects.js';

const root = mkdtempSync(join(tmpdir(), 'hawser-bench-'));
// Processes that are about to end may still write; they end because their channel to this one is gone.
process.on('exit', () => rmSync(root, { recursive: true, force: true, maxRetries: 10 }));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

export class Stage {
  readonly #subject: Subject;
  readonly #folder: string;
  readonly #processes = new Set<PeerProcess>();
  #relay: CountingRelay | undefined;

  static async with<T>(subject: Subject, work: (stage: Stage) => Promise<T>): Promise<T> {
    const stage = new Stage(subject, await mkdtemp(join(root, 'run-')));
    try {
      return await work(stage);
    } finally {
      await stage.#clear();
    }
  }

  private constructor(subject: Subject, folder: string) {
    this.#subject = subject;
    this.#folder = folder;
  }

  /** A process that has opened the database of that name. */
  async open(name: string): Promise<PeerProcess> {
    const peer = new PeerProcess(this.#subject.file);
    this.#processes.add(peer);
    await peer.do('open', { path: join(this.#folder, name), name, ...this.#subject.open });
    return peer;
  }

  async close(peer: PeerProcess): Promise<void> {
    await peer.do('close');
    await peer.end();
    this.#processes.delete(peer);
  }

  /** Lets the server listen, and resolves to the address that leads to it through the relay. */
  async listen(server: PeerProcess): Promise<string> {
    const address = new URL((await server.do<{ url: string }>('listen', this.#subject.listen)).url);
    this.#relay = await CountingRelay.to(Number(address.port));
    address.port = String(this.#relay.port);
    return address.href;
  }

  /** What went through the relay so far, both directions. */
  get bytes(): number {
    return this.#relay?.bytes ?? 0;
  }

  /** Throws unless the server has exactly these documents; where it is durable another process reads them from disk. */
  async check(server: PeerProcess, name: string, count: number): Promise<void> {
    if (!this.#subject.durable) return void (await server.do('check', { count }));
    await this.close(server);
    await (await this.open(name)).do('check', { count });
  }

  async #clear(): Promise<void> {
    this.#relay?.close();
    await Promise.all([...this.#processes].map((peer) => peer.end()));
    await rm(this.#folder, { recursive: true, force: true });
  }
}
