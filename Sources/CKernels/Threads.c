// A pool of threads that share out numbered pieces of work.
//
// Workers look for work for a short while before they sleep, since the operators of a model follow each other
// within microseconds. One job runs at a time; whoever finds the pool taken does the work alone.

#include "ComputeTable.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define CK_MOST_WORKERS 255
/// How often a worker looks before it sleeps: some 50 microseconds.
#define CK_LOOKS 1500

static struct {
  /// Held by the thread whose job it is.
  pthread_mutex_t owner;
  /// Guards sleeping.
  pthread_mutex_t sleep;
  pthread_cond_t wake;
  size_t workerCount;
  ck_piece work;
  void *context;
  size_t pieces;
  /// Workers with a smaller number may take part.
  size_t seats;
  _Atomic size_t next;
  /// Workers that may be using the fields above.
  _Atomic size_t inside;
  _Atomic int isOpen;
  _Atomic int sleepers;
} pool = {.owner = PTHREAD_MUTEX_INITIALIZER, .sleep = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER};

static _Thread_local int isInsidePiece;

static inline void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static void take_pieces(void) {
  isInsidePiece++;
  for (;;) {
    size_t piece = atomic_fetch_add(&pool.next, 1);
    if (piece >= pool.pieces) break;
    pool.work(pool.context, piece);
  }
  isInsidePiece--;
}

static int has_work(size_t number) {
  return atomic_load(&pool.isOpen) && atomic_load(&pool.next) < pool.pieces && number < pool.seats;
}

static void *worker(void *argument) {
  size_t number = (size_t)argument;
  int looks = 0;
  for (;;) {
    if (atomic_load(&pool.isOpen)) {
      // The owner closes the job first and then waits for `inside`, so the fields hold still in here.
      atomic_fetch_add(&pool.inside, 1);
      if (has_work(number)) {
        take_pieces();
        looks = 0;
      }
      atomic_fetch_sub(&pool.inside, 1);
    }
    if (++looks < CK_LOOKS) {
      relax();
      continue;
    }
    looks = 0;
    pthread_mutex_lock(&pool.sleep);
    atomic_fetch_add(&pool.sleepers, 1);
    while (!atomic_load(&pool.isOpen)) pthread_cond_wait(&pool.wake, &pool.sleep);
    atomic_fetch_sub(&pool.sleepers, 1);
    pthread_mutex_unlock(&pool.sleep);
  }
  return NULL;
}

static void hire(size_t count) {
  if (count > CK_MOST_WORKERS) count = CK_MOST_WORKERS;
  while (pool.workerCount < count) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, worker, (void *)pool.workerCount) != 0) return;
    pthread_detach(thread);
    pool.workerCount++;
  }
}

void ck_parallel(size_t pieces, size_t threads, ck_piece work, void *context) {
  if (pieces <= 1 || threads <= 1 || isInsidePiece || pthread_mutex_trylock(&pool.owner) != 0) {
    for (size_t piece = 0; piece < pieces; piece++) work(context, piece);
    return;
  }
  hire(threads - 1);
  pool.work = work;
  pool.context = context;
  pool.pieces = pieces;
  pool.seats = threads - 1;
  atomic_store(&pool.next, 0);
  atomic_store(&pool.isOpen, 1);
  if (atomic_load(&pool.sleepers) > 0) {
    pthread_mutex_lock(&pool.sleep);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.sleep);
  }
  take_pieces();
  atomic_store(&pool.isOpen, 0);
  for (int looks = 0; atomic_load(&pool.inside) != 0; looks++) {
    // A worker that lost its processor needs one to finish.
    if (looks < CK_LOOKS) relax(); else sched_yield();
  }
  pthread_mutex_unlock(&pool.owner);
}

int32_t ck_processor_count(void) { return (int32_t)sysconf(_SC_NPROCESSORS_ONLN); }

// Scratch memory.

typedef struct {
  void *memory[3];
  size_t byteCount[3];
} scratches;

static pthread_once_t keyOnce = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static _Thread_local scratches own;

static void give_back(void *argument) {
  scratches *gone = argument;
  for (int slot = 0; slot < 3; slot++) {
    free(gone->memory[slot]);
    gone->memory[slot] = NULL;
    gone->byteCount[slot] = 0;
  }
}

static void make_key(void) { (void)pthread_key_create(&key, give_back); }

void *ck_scratch(int slot, size_t byteCount) {
  if (own.byteCount[slot] >= byteCount) return own.memory[slot];
  pthread_once(&keyOnce, make_key);
  pthread_setspecific(key, &own);
  free(own.memory[slot]);
  own.byteCount[slot] = 0;
  void *memory = NULL;
  // A few megabytes at most; without them nothing can go on, as with every allocation of Swift.
  if (posix_memalign(&memory, 64, byteCount) != 0) abort();
  own.memory[slot] = memory;
  own.byteCount[slot] = byteCount;
  return memory;
}
