/*
 * Runs a command and prints, as JSON, what it took: the time until the command ended, and the processor time of it and of all
 * that it left behind. What outlives the command, as drivers of mounts do, becomes a child of this program, which waits for
 * it. With a name it looks again and again for processes of that name, which disturbs the time, and prints the most memory that
 * one of them had, in KiB.
 *
 * usage: measure NAME|'' COMMAND [WORD...]
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double now(void) {
  struct timespec at;
  clock_gettime(CLOCK_MONOTONIC, &at);
  return at.tv_sec * 1e3 + at.tv_nsec / 1e6;
}

static double milliseconds(struct timeval time) {
  return time.tv_sec * 1e3 + time.tv_usec / 1e3;
}

/* A field of /proc/PID/status: its text, or an empty one. */
static const char *field(const char *status, const char *name) {
  const char *found = strstr(status, name);
  return found == NULL ? "" : found + strlen(name);
}

/* /proc/PID/status of a process, without which the answer is false. */
static int read_status(long pid, char *status, size_t size) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%ld/status", pid);
  int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return 0;
  ssize_t length = read(file, status, size - 1);
  close(file);
  if (length <= 0) return 0;
  status[length] = 0;
  return 1;
}

/* Whether a process comes from this one: whatever loses its parent becomes a child of ours. */
static int is_ours(long parent) {
  char status[4096];
  for (int level = 0; level < 64 && parent > 1; level++) {
    if (parent == getpid()) return 1;
    if (!read_status(parent, status, sizeof status)) return 0;
    parent = atol(field(status, "PPid:"));
  }
  return 0;
}

/* Most memory that a process of this name has had so far, in KiB. */
static long memory(const char *name) {
  long most = 0;
  DIR *processes = opendir("/proc");
  struct dirent *entry;
  while (processes != NULL && (entry = readdir(processes)) != NULL) {
    char status[4096];
    if (!isdigit((unsigned char)entry->d_name[0])) continue;
    if (!read_status(atol(entry->d_name), status, sizeof status)) continue;
    const char *called = field(status, "Name:\t");
    if (strncmp(called, name, strlen(name)) != 0 || called[strlen(name)] != '\n') continue;
    long peak = atol(field(status, "VmHWM:"));
    if (peak > most && is_ours(atol(field(status, "PPid:")))) most = peak;
  }
  if (processes != NULL) closedir(processes);
  return most;
}

int main(int count, char **words) {
  if (count < 3) {
    fputs("usage: measure NAME|'' COMMAND [WORD...]\n", stderr);
    return 2;
  }
  if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    perror("measure");
    return 125;
  }
  double started = now(), ended = 0;
  pid_t command = fork();
  if (command < 0) {
    perror("measure");
    return 125;
  }
  if (command == 0) {
    /* Only the result goes to standard output. */
    dup2(2, 1);
    execvp(words[2], words + 2);
    perror(words[2]);
    _exit(127);
  }
  int code = 125, status;
  long peak = 0;
  for (;;) {
    pid_t pid = waitpid(-1, &status, words[1][0] == 0 ? 0 : WNOHANG);
    if (pid < 0) break;
    if (pid == 0) {
      long now = memory(words[1]);
      if (now > peak) peak = now;
      usleep(2000);
    } else if (pid == command) {
      ended = now();
      code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
  }
  struct rusage all;
  getrusage(RUSAGE_CHILDREN, &all);
  printf("{\"wall\":%.3f,\"processor\":%.3f,\"peak\":%ld}\n", ended - started,
         milliseconds(all.ru_utime) + milliseconds(all.ru_stime), peak);
  return code;
}
