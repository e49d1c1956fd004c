"""A wall clock that a test moves under a running program: a library before libc adds to what clock_gettime says."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

_NOT_MOVED = 1_000_000_000
_SOURCE = f"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

/* By as many seconds as a file says it was changed after a moment. */
static long moved_by(void) {{
  struct stat seen;
  return stat(getenv("MOVED_CLOCK"), &seen) ? 0 : (long)seen.st_mtime - {_NOT_MOVED}L;
}}

int clock_gettime(clockid_t clock, struct timespec *now) {{
  static int (*real)(clockid_t, struct timespec *);
  if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
  int failed = real(clock, now);
  if (clock == CLOCK_REALTIME) now->tv_sec += moved_by();
  return failed;
}}

time_t time(time_t *seconds) {{
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (seconds) *seconds = now.tv_sec;
  return now.tv_sec;
}}
"""


class MovedClock:
    """Start a program with the `environment`, then `move` its clock, as often as wanted; needs a C compiler."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "moved-clock"
        source, library = folder / "moved_clock.c", folder / "moved_clock.so"
        source.write_text(_SOURCE)
        self._file.touch()
        self.move(0)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
        self.environment: Mapping[str, str] = {"LD_PRELOAD": str(library), "MOVED_CLOCK": str(self._file)}

    def move(self, seconds: int) -> None:
        """Let the clock be so many seconds ahead, or behind, of the machine's."""
        os.utime(self._file, (_NOT_MOVED + seconds,) * 2)
