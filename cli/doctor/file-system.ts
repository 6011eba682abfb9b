/** The folder for databases, and the file system it is on: of what kind, whether writable, how much room. */
import { realpath, stat, statfs } from 'node:fs/promises';
import { resolve } from 'node:path';
import { codeOf, ok, problem, said, warning, type Finding } from './finding.js';
import { mountOf, type Mount } from './mounts.js';
import { readText } from './text-file.js';

export interface FolderFacts {
  readonly path: string;
  /** Whether this user could make something in it. */
  readonly isWritable: boolean;
  readonly mount: Mount | undefined;
  /** What the upper layer of an overlay is on. */
  readonly upperType: string | undefined;
  /** In bytes, for this user. */
  readonly free: number;
  /** Undefined where the file system does not count them. */
  readonly freeInodes: number | undefined;
}

export async function checkFileSystem(folder: string, isWritable: boolean): Promise<Finding> {
  const path = resolve(folder);
  try {
    if (!(await stat(path)).isDirectory()) {
      return problem('folder', `${path} is a file, not a folder.`, 'Name the folder where databases will be.');
    }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') {
      return problem('folder', `There is no folder ${path}.`, `Make it: mkdir -p ${quoted(path)}`);
    }
    return problem(
      'folder',
      `${path} cannot be looked at: ${said(error)}.`,
      'Correct the path, or the rights of this user.',
    );
  }
  const mountinfo = readText('/proc/self/mountinfo');
  const mount = mountOf(await realpath(path), mountinfo);
  const { bavail, bsize, files, ffree } = await statfs(path);
  return judgeFolder({
    path,
    isWritable,
    mount,
    upperType: mount?.upperFolder === undefined ? undefined : mountOf(mount.upperFolder, mountinfo)?.type,
    free: bavail * bsize,
    freeInodes: files === 0 ? undefined : ffree,
  });
}

export function judgeFolder({ path, isWritable, mount, upperType, free, freeInodes }: FolderFacts): Finding {
  const type = mount?.type ?? 'a file system of unknown type';
  const inodes = freeInodes === undefined ? '' : `, ${freeInodes} files more`;
  const found = `${path} is on ${type}, with ${room(free)} free${inodes}.`;
  if (mount?.isReadOnly === true) {
    return problem(
      'folder',
      `${found} It is mounted read-only.`,
      `sudo mount -o remount,rw ${quoted(mount.point)}, or choose another folder.`,
    );
  }
  if (free < 1 || freeInodes === 0) {
    return problem('folder', `${found} It is full.`, 'Free space there, or choose another folder.');
  }
  if (!isWritable) {
    const user = process.geteuid?.() ?? '?';
    return problem(
      'folder',
      `${found} The user ${user} may not write in it.`,
      `Make one of your own in it and name that: sudo install -d -o ${user} ${quoted(`${path}/hawser`)}. Or choose another folder.`,
    );
  }
  const concern = concernOf(type, upperType);
  if (concern !== undefined) return warning('folder', `${found} ${concern.why}`, concern.remedy);
  if (free < LITTLE_SPACE) {
    return warning(
      'folder',
      `${found} A database needs 16 MiB for its journal beside the documents.`,
      'Free space there.',
    );
  }
  if (freeInodes !== undefined && freeInodes < FEW_INODES) {
    return warning('folder', `${found} Each blob is a file.`, 'Remove small files there, or choose another folder.');
  }
  return ok('folder', found);
}

function concernOf(type: string, upperType: string | undefined): { why: string; remedy: string } | undefined {
  const disk = 'Choose a folder on the flash or disk of this machine.';
  if (VOLATILE.test(type)) return { why: 'That is memory: all of it is lost when the power goes.', remedy: disk };
  if (type === 'overlay' && upperType !== undefined && VOLATILE.test(upperType)) {
    return { why: 'What is written goes to memory and is lost when the power goes.', remedy: disk };
  }
  if (type === 'overlay' && upperType === undefined) {
    const why = 'In a container that is gone with the container.';
    return { why, remedy: 'In a container, mount a volume for the databases; otherwise see where its upper layer is.' };
  }
  if (NETWORK.test(type)) {
    const why = 'SQLite needs locks and shared memory, which file systems of the network keep badly.';
    return { why, remedy: disk };
  }
  if (FAT.test(type)) {
    const why = 'It keeps no rights of files, so hawser refuses keys in it, and a power loss may damage it.';
    return { why, remedy: 'Choose a folder on ext4, f2fs or the like.' };
  }
  return undefined;
}

function room(bytes: number): string {
  if (bytes >= 10 * 2 ** 30) return `${Math.round(bytes / 2 ** 30)} GiB`;
  return bytes >= 2 ** 20 ? `${Math.round(bytes / 2 ** 20)} MiB` : `${Math.round(bytes / 2 ** 10)} KiB`;
}

/** For a shell. */
function quoted(path: string): string {
  return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'\\''`)}'`;
}

const VOLATILE = /^(tmpfs|ramfs|rootfs)$/;
const NETWORK =
  /^(nfs\d?|cifs|smb\d?|smbfs|9p|ceph|afs|ncpfs|lustre|fuse\.(sshfs|glusterfs|s3fs|rclone|davfs)|glusterfs|virtiofs)$/;
const FAT = /^(vfat|msdos|exfat|fuseblk)$/;
const LITTLE_SPACE = 32 * 2 ** 20;
const FEW_INODES = 100;
