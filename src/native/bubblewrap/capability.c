/* Names of capabilities. */
#include <errno.h>
#include <stddef.h>
#include <strings.h>
#include <sys/capability.h>

/* Those that the headers of an older kernel lack. */
#ifndef CAP_PERFMON
#define CAP_PERFMON 38
#endif
#ifndef CAP_BPF
#define CAP_BPF 39
#endif
#ifndef CAP_CHECKPOINT_RESTORE
#define CAP_CHECKPOINT_RESTORE 40
#endif

#define NAMED(name) [name] = #name

static const char *const names[] = {
  NAMED(CAP_CHOWN),
  NAMED(CAP_DAC_OVERRIDE),
  NAMED(CAP_DAC_READ_SEARCH),
  NAMED(CAP_FOWNER),
  NAMED(CAP_FSETID),
  NAMED(CAP_KILL),
  NAMED(CAP_SETGID),
  NAMED(CAP_SETUID),
  NAMED(CAP_SETPCAP),
  NAMED(CAP_LINUX_IMMUTABLE),
  NAMED(CAP_NET_BIND_SERVICE),
  NAMED(CAP_NET_BROADCAST),
  NAMED(CAP_NET_ADMIN),
  NAMED(CAP_NET_RAW),
  NAMED(CAP_IPC_LOCK),
  NAMED(CAP_IPC_OWNER),
  NAMED(CAP_SYS_MODULE),
  NAMED(CAP_SYS_RAWIO),
  NAMED(CAP_SYS_CHROOT),
  NAMED(CAP_SYS_PTRACE),
  NAMED(CAP_SYS_PACCT),
  NAMED(CAP_SYS_ADMIN),
  NAMED(CAP_SYS_BOOT),
  NAMED(CAP_SYS_NICE),
  NAMED(CAP_SYS_RESOURCE),
  NAMED(CAP_SYS_TIME),
  NAMED(CAP_SYS_TTY_CONFIG),
  NAMED(CAP_MKNOD),
  NAMED(CAP_LEASE),
  NAMED(CAP_AUDIT_WRITE),
  NAMED(CAP_AUDIT_CONTROL),
  NAMED(CAP_SETFCAP),
  NAMED(CAP_MAC_OVERRIDE),
  NAMED(CAP_MAC_ADMIN),
  NAMED(CAP_SYSLOG),
  NAMED(CAP_WAKE_ALARM),
  NAMED(CAP_BLOCK_SUSPEND),
  NAMED(CAP_AUDIT_READ),
  NAMED(CAP_PERFMON),
  NAMED(CAP_BPF),
  NAMED(CAP_CHECKPOINT_RESTORE),
};

int cap_from_name(const char *name, cap_value_t *value) {
  for (size_t number = 0; number < sizeof(names) / sizeof(names[0]); number++) {
    if (strcasecmp(name, names[number]) == 0) {
      *value = (cap_value_t)number;
      return 0;
    }
  }
  errno = EINVAL;
  return -1;
}
