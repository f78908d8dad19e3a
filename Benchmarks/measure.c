// Runs a program and prints its wall time and its largest resident memory (mapped file pages included) as one
// line of JSON. The program's standard output is thrown away.
//
// A process inherits the memory peak of the one it is forked from, so the measuring program must be a small one.
//
// usage: measure PROGRAM [ARGUMENT...]
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds_now(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

int main(int argument_count, char **arguments) {
  if (argument_count < 2) {
    fprintf(stderr, "usage: measure PROGRAM [ARGUMENT...]\n");
    return 64;
  }
  double start = seconds_now();
  pid_t child = fork();
  if (child < 0) {
    fprintf(stderr, "measure: fork: %s\n", strerror(errno));
    return 4;
  }
  if (child == 0) {
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0) dup2(nowhere, 1);
    execvp(arguments[1], arguments + 1);
    fprintf(stderr, "measure: %s: %s\n", arguments[1], strerror(errno));
    _exit(127);
  }
  int status = 0;
  struct rusage usage;
  while (wait4(child, &status, 0, &usage) < 0) {
    if (errno == EINTR) continue;
    fprintf(stderr, "measure: wait4: %s\n", strerror(errno));
    return 4;
  }
  double seconds = seconds_now() - start;
#ifdef __APPLE__
  long long peak_byte_count = usage.ru_maxrss;
#else
  long long peak_byte_count = (long long)usage.ru_maxrss * 1024;
#endif
  int exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  printf("{\"exit_code\": %d, \"peak_bytes\": %lld, \"seconds\": %.6f}\n", exit_code, peak_byte_count, seconds);
  return 0;
}
