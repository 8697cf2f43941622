/*
 * What bubblewrap uses of libcap, so that it needs no other library than C's: the kernel's own sets and numbers of capabilities, the
 * two calls on them, which every C library has and none declares, and names.
 */
#ifndef FLATIMAGE_SYS_CAPABILITY_H
#define FLATIMAGE_SYS_CAPABILITY_H

#include <linux/capability.h>

/* The number of a capability. */
typedef int cap_value_t;

extern int capget(cap_user_header_t header, cap_user_data_t data);
extern int capset(cap_user_header_t header, const cap_user_data_t data);

/*
 * Writes the number of the capability with this name ("CAP_CHOWN", in upper or lower case) to `value` and returns 0. Returns -1 with
 * errno set to EINVAL where there is none.
 */
extern int cap_from_name(const char *name, cap_value_t *value);

#endif
