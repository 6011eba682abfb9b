/**
 * A disk whose power can be cut: a file system of its own (ext4) in a file, mounted through a loop device. `cut` is the
 * kernel's own way to stop it at once (EXT4_IOC_SHUTDOWN with NOLOGFLUSH): nothing that was not flushed reaches the file from
 * then on, neither data nor journal, and every call fails with EIO. `restore` mounts it again, which replays the journal.
 *
 * What it cannot show: a disk that acknowledges a flush and keeps the data in a cache of its own.
 */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { basename, delimiter, join } from 'node:path';
import { tmpdir } from 'node:os';
import { promisify } from 'node:util';

const run = promisify(execFile);

export class PowerDisk {
  /** Where it is mounted. */
  readonly path: string;
  readonly #root: string;
  #isMounted = false;

  /** Why there can be no such disk here; undefined if there can. Tries it once. */
  static async problem(): Promise<string | undefined> {
    if (process.platform !== 'linux') return 'losing power needs Linux';
    if (process.getuid?.() !== 0) return 'losing power needs root, which may mount a file system';
    const missing = ['mkfs.ext4', 'mount', 'umount', 'python3'].find((program) => !isThere(program));
    if (missing !== undefined) return `losing power needs ${missing}`;
    let disk: PowerDisk | undefined;
    try {
      disk = await PowerDisk.make();
      await disk.cut();
      return undefined;
    } catch (error) {
      return `losing power needs a loop device with ext4 that can be shut down: ${firstLine(error)}`;
    } finally {
      await disk?.remove();
    }
  }

  static async make(mebibytes = 128): Promise<PowerDisk> {
    const disk = new PowerDisk(await mkdtemp(join(tmpdir(), 'hawser-power-')));
    try {
      await mkdir(disk.path);
      await writeFile(disk.#image, '');
      await truncate(disk.#image, mebibytes * 1024 * 1024);
      await run('mkfs.ext4', ['-q', '-F', '-m', '0', disk.#image]);
      await disk.#mount();
      return disk;
    } catch (error) {
      await disk.remove();
      throw error;
    }
  }

  private constructor(root: string) {
    this.#root = root;
    this.path = join(root, 'disk');
  }

  get #image(): string {
    return join(this.#root, 'image');
  }

  /** Everything written so far reaches the disk, as the kernel sees to by itself after half a minute. */
  async flush(): Promise<void> {
    await run('sync', ['-f', this.path]);
  }

  /**
   * The power is gone. Whoever has files open there has to be killed before `restore`.
   *
   * @param justBefore called at the last moment. What a process says after it counts for nothing: where the power is gone no
   *   process says anything, and the kernel may answer an fsync that is under way as if it had been done
   */
  async cut(justBefore: () => void = () => undefined): Promise<void> {
    const child = spawn('python3', ['-c', SHUTDOWN, this.path], { stdio: 'pipe' });
    const ended = once(child, 'close');
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
    child.stdin.on('error', () => undefined); // said below
    await Promise.race([once(child.stdout, 'data'), ended]);
    justBefore();
    child.stdin.end('now\n');
    await ended;
    if (child.exitCode !== 0) throw new Error(errors.trim().split('\n').at(-1) ?? 'python3 failed');
  }

  /** The power is back. */
  async restore(): Promise<void> {
    await this.#unmount();
    await this.#mount();
  }

  async remount(how: 'ro' | 'rw'): Promise<void> {
    await run('mount', ['-o', `remount,${how}`, this.path]);
  }

  /**
   * The kernel has found an error in the file system and lets nobody write any more, whatever is open there, until
   * `restore`. Rejects where the kernel cannot be asked for it.
   */
  async becomeReadOnly(): Promise<void> {
    const { stdout } = await run('findmnt', ['-n', '-o', 'SOURCE', this.path]);
    await writeFile(`/sys/fs/ext4/${basename(stdout.trim())}/trigger_fs_error`, '1');
  }

  async remove(): Promise<void> {
    // Lazily: a file that a failed test left open must not keep it mounted.
    if (this.#isMounted) await this.#unmount(['-l']);
    await rm(this.#root, { recursive: true, force: true });
  }

  async #mount(): Promise<void> {
    await run('mount', ['-o', 'loop,errors=remount-ro', this.#image, this.path]);
    this.#isMounted = true;
  }

  async #unmount(options: readonly string[] = []): Promise<void> {
    await run('umount', [...options, this.path]);
    this.#isMounted = false;
  }
}

/** _IOR('X', 125, __u32), given EXT4_GOING_FLAGS_NOLOGFLUSH. */
const SHUTDOWN = `
import fcntl, os, struct, sys
folder = os.open(sys.argv[1], os.O_RDONLY)
print('ready', flush=True)
sys.stdin.readline()
fcntl.ioctl(folder, 0x8004587d, struct.pack('I', 2))`;

function isThere(program: string): boolean {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  return folders.some((folder) => folder !== '' && existsSync(join(folder, program)));
}

function firstLine(error: unknown): string {
  const lines = (error instanceof Error ? error.message : String(error)).trim().split('\n');
  return lines.at(-1) ?? '';
}
