/*
 * Runs a program as on a kernel that lacks the newer system calls, or in a container whose filter does not know them:
 *
 *     old-kernel enosys|eperm [-NAME]... PROGRAM [ARGUMENT]...
 *     old-kernel ask
 *
 * The program and all that it starts get that error from each call in the list below; -NAME takes a call out of the list. They cannot
 * make the device 0:0 either, as no ordinary user could before 5.8.
 * Root's filter changes nothing else; an ordinary user's also takes away what set-user-id programs would gain. `ask` makes each
 * call with arguments that no kernel takes, and prints "NAME ERRNO" for each.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define OWN_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define OWN_ARCH AUDIT_ARCH_AARCH64
#else
#error "the numbers below are those of x86-64 and arm64"
#endif

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

/* statx is in 4.11, and older filters refuse it. The others came between 5.1 and 6.8. Numbers from 424 on are common to all. */
static const struct call {
  const char *name;
  unsigned number;
} calls[] = {
  {"statx", SYS_statx},
  {"pidfd_send_signal", 424},
  {"io_uring_setup", 425},
  {"open_tree", 428},
  {"move_mount", 429},
  {"fsopen", 430},
  {"fsconfig", 431},
  {"fsmount", 432},
  {"fspick", 433},
  {"pidfd_open", 434},
  {"clone3", 435},
  {"close_range", 436},
  {"openat2", 437},
  {"pidfd_getfd", 438},
  {"faccessat2", 439},
  {"process_madvise", 440},
  {"epoll_pwait2", 441},
  {"mount_setattr", 442},
  {"landlock_create_ruleset", 444},
  {"memfd_secret", 447},
  {"process_mrelease", 448},
  {"futex_waitv", 449},
  {"fchmodat2", 452},
  {"statmount", 457},
  {"listmount", 458},
};

static int usage(void) {
  fputs("usage: old-kernel enosys|eperm [-NAME]... PROGRAM [ARGUMENT]...\n       old-kernel ask\n", stderr);
  return 125;
}

static int ask(void) {
  for (size_t index = 0; index < COUNT(calls); index++) {
    long result = syscall(calls[index].number, -1L, -1L, -1L, -1L, -1L, -1L);
    printf("%s %d\n", calls[index].name, result < 0 ? errno : 0);
  }
  return 0;
}

static int complain(const char *what) {
  fprintf(stderr, "old-kernel: %s: %s\n", what, strerror(errno));
  return 125;
}

int main(int count, char **words) {
  struct sock_filter filter[12 + 2 * COUNT(calls)];
  int kept[COUNT(calls)] = {0};
  int first = 2;
  unsigned short length = 0;
  unsigned answer;

  if (count == 2 && strcmp(words[1], "ask") == 0) return ask();
  if (count < 3) return usage();
  if (strcmp(words[1], "enosys") == 0) answer = ENOSYS;
  else if (strcmp(words[1], "eperm") == 0) answer = EPERM;
  else return usage();
  for (; words[first] != NULL && words[first][0] == '-'; first++) {
    size_t index = 0;
    while (index < COUNT(calls) && strcmp(calls[index].name, words[first] + 1) != 0) index++;
    if (index == COUNT(calls)) return usage();
    kept[index] = 1;
  }
  if (words[first] == NULL) return usage();

  /* Calls of 32-bit programs have other numbers, and pass. */
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
  filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, OWN_ARCH, 1, 0);
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (size_t index = 0; index < COUNT(calls); index++) {
    if (kept[index]) continue;
    filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, calls[index].number, 0, 1);
    filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer);
  }
  /* Before 5.8 an ordinary user could not make the device 0:0, which stands for a deletion. The C library uses this call only. */
  filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mknodat, 0, 6);
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[3]));
  filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 4);
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]));
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_ALU | BPF_AND | BPF_K, S_IFMT);
  filter[length++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, S_IFCHR, 0, 1);
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
  filter[length++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {.len = length, .filter = filter};
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    if (errno != EACCES) return complain("the filter cannot be installed");
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return complain("no_new_privs cannot be set");
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) return complain("the filter cannot be installed");
  }
  execvp(words[first], words + first);
  return complain(words[first]);
}
