/** Architectures whose system calls a filter can meet, by their number in the kernel's `<linux/audit.h>`. */
export const auditNumbers = {
  x86_64: 0xc000_003e,
  i386: 0x4000_0003,
  aarch64: 0xc000_00b7,
  arm: 0x4000_0028
} as const

export type Architecture = keyof typeof auditNumbers

/** Calls of x32 programs have this bit set in their number and the architecture of x86-64. */
export const x32Bit = 0x4000_0000

/**
 * Numbers of system calls from the kernel's own tables: `arch/x86/entry/syscalls/syscall_64.tbl` and `syscall_32.tbl`,
 * `include/uapi/asm-generic/unistd.h` (which 64-bit ARM uses as it is) and `arch/arm/tools/syscall.tbl`. 0 stands for a call
 * that an architecture does not have; none of those that are named here has that number. From 424 on all agree.
 */
const numbers = {
  //                       x86_64 i386 aarch64 arm
  _sysctl: [156, 149, 0, 149],
  acct: [163, 51, 89, 51],
  add_key: [248, 286, 217, 309],
  bpf: [321, 357, 280, 386],
  capset: [126, 185, 91, 185],
  chown: [92, 182, 0, 182],
  chown32: [0, 212, 0, 212],
  clock_adjtime: [305, 343, 266, 372],
  clock_adjtime64: [0, 405, 0, 405],
  clock_settime: [227, 264, 112, 262],
  clock_settime64: [0, 404, 0, 404],
  clone: [56, 120, 220, 120],
  clone3: [435, 435, 435, 435],
  create_module: [174, 127, 0, 0],
  delete_module: [176, 129, 106, 129],
  fanotify_init: [300, 338, 262, 367],
  fchown: [93, 95, 55, 95],
  fchown32: [0, 207, 0, 207],
  fchownat: [260, 298, 54, 325],
  finit_module: [313, 350, 273, 379],
  fsconfig: [431, 431, 431, 431],
  fsmount: [432, 432, 432, 432],
  fsopen: [430, 430, 430, 430],
  fspick: [433, 433, 433, 433],
  get_mempolicy: [239, 275, 236, 320],
  init_module: [175, 128, 105, 128],
  io_uring_enter: [426, 426, 426, 426],
  io_uring_register: [427, 427, 427, 427],
  io_uring_setup: [425, 425, 425, 425],
  ioctl: [16, 54, 29, 54],
  ioperm: [173, 101, 0, 0],
  iopl: [172, 110, 0, 0],
  kcmp: [312, 349, 272, 378],
  kexec_file_load: [320, 0, 294, 401],
  kexec_load: [246, 283, 104, 347],
  keyctl: [250, 288, 219, 311],
  kill: [62, 37, 129, 37],
  lchown: [94, 16, 0, 16],
  lchown32: [0, 198, 0, 198],
  lookup_dcookie: [212, 253, 18, 249],
  mbind: [237, 274, 235, 319],
  migrate_pages: [256, 294, 238, 400],
  mknod: [133, 14, 0, 14],
  mknodat: [259, 297, 33, 324],
  modify_ldt: [154, 123, 0, 0],
  mount: [165, 21, 40, 21],
  mount_setattr: [442, 442, 442, 442],
  move_mount: [429, 429, 429, 429],
  move_pages: [279, 317, 239, 344],
  nfsservctl: [180, 169, 42, 169],
  open_by_handle_at: [304, 342, 265, 371],
  open_tree: [428, 428, 428, 428],
  open_tree_attr: [467, 467, 467, 467],
  perf_event_open: [298, 336, 241, 364],
  personality: [135, 136, 92, 136],
  pidfd_getfd: [438, 438, 438, 438],
  pidfd_send_signal: [424, 424, 424, 424],
  pivot_root: [155, 217, 41, 218],
  process_vm_readv: [310, 347, 270, 376],
  process_vm_writev: [311, 348, 271, 377],
  ptrace: [101, 26, 117, 26],
  query_module: [178, 167, 0, 0],
  quotactl: [179, 131, 60, 131],
  quotactl_fd: [443, 443, 443, 443],
  reboot: [169, 88, 142, 88],
  request_key: [249, 287, 218, 310],
  set_mempolicy: [238, 276, 237, 321],
  set_mempolicy_home_node: [450, 450, 450, 450],
  setgid: [106, 46, 144, 46],
  setgid32: [0, 214, 0, 214],
  setgroups: [116, 81, 159, 81],
  setgroups32: [0, 206, 0, 206],
  setns: [308, 346, 268, 375],
  setregid: [114, 71, 143, 71],
  setregid32: [0, 204, 0, 204],
  setresgid: [119, 170, 149, 170],
  setresgid32: [0, 210, 0, 210],
  setresuid: [117, 164, 147, 164],
  setresuid32: [0, 208, 0, 208],
  setreuid: [113, 70, 145, 70],
  setreuid32: [0, 203, 0, 203],
  settimeofday: [164, 79, 170, 79],
  setuid: [105, 23, 146, 23],
  setuid32: [0, 213, 0, 213],
  socket: [41, 359, 198, 281],
  socketcall: [0, 102, 0, 0],
  socketpair: [53, 360, 199, 288],
  stime: [0, 25, 0, 0],
  swapoff: [168, 115, 225, 115],
  swapon: [167, 87, 224, 87],
  sysfs: [139, 135, 0, 135],
  syslog: [103, 103, 116, 103],
  umount: [0, 22, 0, 0],
  umount2: [166, 52, 39, 52],
  unshare: [272, 310, 97, 337],
  uselib: [134, 86, 0, 86],
  userfaultfd: [323, 374, 282, 388],
  ustat: [136, 62, 0, 62],
  vhangup: [153, 111, 58, 111],
  vm86: [0, 166, 0, 0],
  vm86old: [0, 113, 0, 0]
} as const

export type SystemCall = keyof typeof numbers

/** All that are named here. */
export const systemCalls = Object.keys(numbers) as ReadonlyArray<SystemCall>

const columns: Readonly<Record<Architecture, 0 | 1 | 2 | 3>> = { x86_64: 0, i386: 1, aarch64: 2, arm: 3 }

/** The number of a call, or nothing where the architecture does not have it. */
export const numberOf = (call: SystemCall, architecture: Architecture): number | undefined =>
  numbers[call][columns[architecture]] || undefined
