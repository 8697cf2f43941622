/*
 * What a hostile program would try, for the tests of the sandbox. Each attack prints what came of it, one line for each
 * way: "NAME ok" where it worked, "NAME ERRNO" where it did not. It touches nothing but what its words name.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *name, long result) {
  if (result < 0) printf("%s %d\n", name, errno);
  else printf("%s ok\n", name);
  fflush(stdout);
}

/* A call of a 32-bit program, which a 64-bit one can make too. Gives -errno. */
static long call32(long number, long a, long b, long c, long d) {
#ifdef __x86_64__
  long result;
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(number), "b"(a), "c"(b), "d"(c), "S"(d), "D"(-1L) : "memory", "r8", "r9", "r10", "r11");
  return (int) result;
#else
  (void) number; (void) a; (void) b; (void) c; (void) d;
  return -ENOSYS;
#endif
}

static int load(const char *path) {
  static struct sock_filter program[4096];
  int file = open(path, O_RDONLY | O_CLOEXEC);
  ssize_t size = read(file, program, sizeof program);
  if (size <= 0) return 2;
  struct sock_fprog filter = { (unsigned short) (size / 8), program };
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 3;
  return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) == 0 ? 0 : 4;
}

/* Goes on as another program behind the filter of a file. */
static int filtered(const char *path, char **words) {
  int failed = load(path);
  if (failed) return failed;
  execvp(words[0], words);
  return 127;
}

/* Loads the filter from a file, then makes the calls of its input: "ABI NUMBER A B C D"; prints the errno of each. */
static int calls(const char *path) {
  int failed = load(path);
  if (failed) return failed;
  char abi[16];
  unsigned long number, a, b, c, d;
  while (scanf("%15s %lu %lx %lx %lx %lx", abi, &number, &a, &b, &c, &d) == 6) {
    long result;
    if (strcmp(abi, "32") == 0) result = call32((long) number, (long) a, (long) b, (long) c, (long) d);
    else {
      result = syscall((long) number, a, b, c, d, -1L, -1L);
      if (result < 0) result = -errno;
    }
    printf("%ld\n", result < 0 ? -result : 0);
    fflush(stdout);
  }
  return 0;
}

/* Types a line into every terminal within reach, in each way that there is to make the call. */
static int type(const char *text) {
  int terminals[] = { 0, 1, 2, open("/dev/tty", O_RDWR) };
  for (int i = 0; i < 4; i++) {
    const char *names[] = { "plain", "high", "wide", "narrow" };
    unsigned long requests[] = { 0x5412, 0x100005412, 0xffffffff00005412, 0x5412 };
    for (int way = 0; way < 4; way++) {
      long result = 0;
      for (const char *c = text; *c != 0 && result >= 0; c++) {
        /* A call of 32 bits reaches only memory below 4 GiB. */
        static char *low;
        if (low == NULL) low = (char *) syscall(SYS_mmap, 0, 4096, 3, 0x22 | 0x40, -1, 0);
        *low = *c;
        if (way == 3) {
          result = call32(54, terminals[i], 0x5412, (long) low, 0);
          if (result < 0) { errno = (int) -result; result = -1; }
        } else result = syscall(SYS_ioctl, terminals[i], requests[way], low);
      }
      printf("%d ", terminals[i]);
      say(names[way], result);
    }
  }
  char paste = 3;
  say("linux", syscall(SYS_ioctl, 0, 0x541c, &paste));
  say("linux-high", syscall(SYS_ioctl, 0, 0x10000541c, &paste));
  return 0;
}

/* Reads what a listener on an abstract socket says. */
static int abstract(const char *name) {
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  strcpy(address.sun_path + 1, name);
  int s = socket(AF_UNIX, SOCK_STREAM, 0);
  long result = connect(s, (struct sockaddr *) &address, (socklen_t) (offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name)));
  if (result == 0) {
    char buffer[256];
    ssize_t size = read(s, buffer, sizeof buffer - 1);
    if (size > 0) { buffer[size] = 0; printf("%s\n", buffer); }
  }
  say("abstract", result);
  return 0;
}

static int child(void *unused) { (void) unused; _exit(0); }

/* In a process of its own, so that each begins where the last did. */
#define TRY(name, expression) do { \
    fflush(stdout); \
    pid_t pid = fork(); \
    if (pid == 0) { say(name, (expression)); _exit(0); } \
    waitpid(pid, NULL, 0); \
  } while (0)

static long enter(const char *kind) {
  char path[64];
  snprintf(path, sizeof path, "/proc/1/ns/%s", kind);
  int file = open(path, O_RDONLY);
  if (file < 0) return -1;
  return setns(file, 0);
}

/* Makes and enters namespaces, and mounts. */
static int namespaces(const char *bin) {
  static char stack[65536];
  long arguments[11] = { CLONE_NEWUSER, 0, 0, 0, SIGCHLD };
  TRY("unshare-user", unshare(CLONE_NEWUSER));
  TRY("unshare-all", unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID));
  TRY("unshare-mount", unshare(CLONE_NEWNS));
  TRY("unshare-high", syscall(SYS_unshare, 0x110000000UL));
  TRY("clone-user", clone(child, stack + sizeof stack, CLONE_NEWUSER | SIGCHLD, NULL));
  TRY("clone3-user", syscall(SYS_clone3, arguments, 88));
  TRY("setns-user", enter("user"));
  TRY("setns-mnt", enter("mnt"));
  TRY("mount-tmpfs", mount("t", "/mnt", "tmpfs", 0, NULL));
  TRY("mount-bind", mount("/", "/mnt", NULL, MS_BIND, NULL));
  TRY("remount-bin", mount(NULL, bin, NULL, MS_REMOUNT | MS_BIND, NULL));
  TRY("remount-root", mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL));
  TRY("mount-proc", mount("p", "/mnt", "proc", 0, NULL));
  TRY("umount-bin", umount2(bin, MNT_DETACH));
  TRY("umount-proc", umount2("/proc", MNT_DETACH));
  TRY("pivot", syscall(SYS_pivot_root, "/", "/mnt"));
  TRY("fsopen", syscall(430, "tmpfs", 0));
  TRY("open-tree", syscall(428, AT_FDCWD, "/", 1));
  TRY("mount-setattr", syscall(442, AT_FDCWD, bin, 0, "\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32));
  return 0;
}

/* Opens files to write to them, in each way that there is, and puts a mark at the end of those that open. */
static int overwrite(char **paths) {
  for (; *paths != NULL; paths++) {
    char again[64];
    int handle = open(*paths, O_PATH);
    snprintf(again, sizeof again, "/proc/self/fd/%d", handle);
    const char *ways[] = { *paths, again };
    for (int i = 0; i < 2; i++) {
      int file = open(ways[i], O_WRONLY | O_APPEND);
      /* A program that runs refuses to be written to, whoever asks; that is no protection, for it ends one day. */
      if (file < 0 && errno == ETXTBSY) { printf("%s busy\n", *paths); continue; }
      say(*paths, file < 0 ? -1 : write(file, "attacked", 8));
    }
  }
  return 0;
}

/* What the keyring of the session that the caller is in holds under this name. */
static int keyring(const char *name) {
  char buffer[256];
  long key = syscall(SYS_keyctl, 10, -3, "user", name, 0);
  long size = key < 0 ? -1 : syscall(SYS_keyctl, 11, key, buffer, sizeof buffer - 1);
  if (size > 0) { buffer[size] = 0; printf("%s\n", buffer); }
  say("keyring", size);
  return 0;
}

/* Makes a keyring for itself with a key in it, and goes on as another program. */
static int with_key(char **words) {
  if (syscall(SYS_keyctl, 1, NULL) < 0) return 5;
  if (syscall(SYS_add_key, "user", words[0], words[1], strlen(words[1]), -3) < 0) return 6;
  execvp(words[2], words + 2);
  return 127;
}

static int sockets(void) {
  say("vsock", socket(40, SOCK_STREAM, 0));
  say("alg", socket(38, SOCK_SEQPACKET, 0));
  say("high", syscall(SYS_socket, 0x100000028UL, SOCK_STREAM, 0));
  return 0;
}

/* Leaves processes that hear no signal and have left every group, and fills every pipe within reach. */
static int flood(int count, char **pipes) {
  for (int i = 0; i < count; i++) {
    if (fork() == 0) {
      setsid();
      signal(SIGTERM, SIG_IGN);
      signal(SIGHUP, SIG_IGN);
      signal(SIGINT, SIG_IGN);
      for (;;) pause();
    }
  }
  for (; *pipes != NULL; pipes++) {
    int file = open(*pipes, O_RDWR | O_NONBLOCK);
    char page[4096];
    memset(page, 'x', sizeof page);
    for (int i = 0; i < 4096 && write(file, page, sizeof page) > 0; i++) {}
  }
  printf("flooded\n");
  fflush(stdout);
  while (pause() != 0) {}
  return 0;
}

int main(int count, char **words) {
  const char *attack = count > 1 ? words[1] : "";
  if (strcmp(attack, "calls") == 0) return calls(words[2]);
  if (strcmp(attack, "filtered") == 0) return filtered(words[2], words + 3);
  if (strcmp(attack, "type") == 0) return type(words[2]);
  if (strcmp(attack, "abstract") == 0) return abstract(words[2]);
  if (strcmp(attack, "namespaces") == 0) return namespaces(words[2]);
  if (strcmp(attack, "overwrite") == 0) return overwrite(words + 2);
  if (strcmp(attack, "keyring") == 0) return keyring(words[2]);
  if (strcmp(attack, "with-key") == 0) return with_key(words + 2);
  if (strcmp(attack, "sockets") == 0) return sockets();
  if (strcmp(attack, "flood") == 0) return flood(atoi(words[2]), words + 3);
  if (strcmp(attack, "user") == 0) return printf("%d %d\n", (int) getuid(), (int) geteuid()) < 0;
  fprintf(stderr, "attacker: no such attack: %s\n", attack);
  return 64;
}
