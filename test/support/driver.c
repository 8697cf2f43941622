/* A library that says when it is loaded; the driver of a made-up host is made of copies of it. */
#include <stdio.h>

__attribute__((constructor)) static void loaded(void) {
  puts("loaded " NAME);
  fflush(stdout);
}
