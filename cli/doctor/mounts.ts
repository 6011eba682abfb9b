/** Which file system a folder is on, as the kernel lists them in /proc/self/mountinfo (proc_pid_mountinfo(5)). */

export interface Mount {
  readonly point: string;
  /** `ext4`, `tmpfs`, `overlay`, `nfs4` … */
  readonly type: string;
  readonly isReadOnly: boolean;
  /** The layer of an overlay that is written to. */
  readonly upperFolder: string | undefined;
}

/** The mount that holds an absolute path without symbolic links; of several at one place the last covers the others. */
export function mountOf(path: string, mountinfo: string): Mount | undefined {
  let found: Mount | undefined;
  for (const mount of mountinfo.split('\n').map(parsed)) {
    if (mount === undefined || mount.point.length < (found?.point.length ?? 0)) continue;
    const inside = mount.point === '/' || path === mount.point || path.startsWith(`${mount.point}/`);
    if (inside) found = mount;
  }
  return found;
}

/** `36 35 98:0 /root /point rw,noatime shared:1 - ext4 /dev/sda1 rw,errors=continue` */
function parsed(line: string): Mount | undefined {
  const [left = '', right] = line.split(' - ');
  const point = left.split(' ')[4];
  const [type, , superOptions = ''] = right?.split(' ') ?? [];
  if (point === undefined || type === undefined) return undefined;
  const options = [...(left.split(' ')[5] ?? '').split(','), ...superOptions.split(',')];
  const upper = options.find((option) => option.startsWith('upperdir='))?.slice('upperdir='.length);
  return {
    point: plain(point),
    type,
    isReadOnly: options.includes('ro'),
    upperFolder: upper === undefined ? undefined : plain(upper),
  };
}

/** Blanks and the like are written as octal numbers. */
function plain(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}
