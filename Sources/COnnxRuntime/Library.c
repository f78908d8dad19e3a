// What differs between systems: opening a library, and diverting standard output. A port to Windows replaces
// this file (LoadLibraryExW, GetProcAddress, GetModuleFileNameW, _dup2) and gives the three functions of
// Slots.c that take a path wide characters: cort_create_session, cort_enable_profiling and
// cort_register_provider.
#include "COnnxRuntime.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <mach-o/dyld.h>
#endif

void *cort_open_library(const char *path, char *reason, size_t reasonSize) {
  // Never closed: threads and thread-local destructors of the library may outlive the last session.
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    const char *error = dlerror();
    snprintf(reason, reasonSize, "%s", error ? error : "no reason given");
  }
  return library;
}

void *cort_find_function(void *library, const char *name) { return dlsym(library, name); }

int cort_program_path(char *path, size_t pathSize) {
#if defined(__APPLE__)
  uint32_t size = pathSize > UINT32_MAX ? UINT32_MAX : (uint32_t)pathSize;
  return _NSGetExecutablePath(path, &size) == 0;
#else
  ssize_t count = readlink("/proc/self/exe", path, pathSize - 1);
  if (count <= 0) return 0;
  path[count] = 0;
  return 1;
#endif
}

// Holds what was printed since cort_divert_output; NULL lets it go to standard error at once. Callers hold a lock.
static FILE *diverted;

int cort_divert_output(void) {
  // What is buffered belongs to where it was meant to go.
  fflush(stdout);
  int saved = dup(STDOUT_FILENO);
  if (saved < 0) return -1;
  diverted = tmpfile();
  if (dup2(diverted ? fileno(diverted) : STDERR_FILENO, STDOUT_FILENO) < 0) {
    if (diverted) fclose(diverted);
    diverted = NULL;
    close(saved);
    return -1;
  }
  return saved;
}

// Every process that loads the emulation prints this line, which says nothing about the model.
static int is_usual(const char *line) { return strncmp(line + strspn(line, " "), "# LIBNATIVE:", 12) == 0; }

static void pass_on(FILE *file) {
  char line[1024];
  int isBegin = 1, isUsual = 0;
  rewind(file);
  while (fgets(line, sizeof line, file)) {
    // A long line comes in several pieces.
    if (isBegin) isUsual = is_usual(line);
    if (!isUsual) fputs(line, stderr);
    isBegin = strchr(line, '\n') != NULL;
  }
}

void cort_restore_output(int saved) {
  if (saved < 0) return;
  // What the library printed may still be in the buffer.
  fflush(stdout);
  dup2(saved, STDOUT_FILENO);
  close(saved);
  if (!diverted) return;
  pass_on(diverted);
  fclose(diverted);
  diverted = NULL;
}
