#include "CCurl.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

// Numbers of the binary interface: the kind of a value is 0 (long), 10000 (pointer) or 20000 (function) plus a count.
enum option {
  OPTION_WRITEDATA = 10001,
  OPTION_URL = 10002,
  OPTION_PROXY = 10004,
  OPTION_ERRORBUFFER = 10010,
  OPTION_WRITEFUNCTION = 20011,
  OPTION_USERAGENT = 10018,
  OPTION_HTTPHEADER = 10023,
  OPTION_HEADERDATA = 10029,
  OPTION_NOPROGRESS = 43,
  OPTION_FOLLOWLOCATION = 52,
  OPTION_XFERINFODATA = 10057,
  OPTION_CAINFO = 10065,
  OPTION_HEADERFUNCTION = 20079,
  OPTION_BUFFERSIZE = 98,
  OPTION_NOSIGNAL = 99,
  OPTION_CONNECTTIMEOUT_MS = 156,
  OPTION_PROTOCOLS = 181,
  OPTION_REDIR_PROTOCOLS = 182,
  OPTION_TCP_KEEPALIVE = 213,
  OPTION_XFERINFOFUNCTION = 20219,
  OPTION_SUPPRESS_CONNECT_HEADERS = 265,
  OPTION_HTTP09_ALLOWED = 285,
};
enum { PROTOCOLS_HTTP_AND_HTTPS = 3, GLOBAL_DEFAULT = 3, ERROR_SIZE = 256, BODY_PIECE = 256 * 1024 };
enum info { INFO_REDIRECT_URL = 0x100000 + 31, INFO_RETRY_AFTER = 0x600000 + 57 };

struct list;

static struct {
  int (*global_init)(long);
  const char *(*version)(void);
  void *(*easy_init)(void);
  void (*easy_cleanup)(void *);
  void (*easy_reset)(void *);
  int (*easy_setopt)(void *, int, ...);
  int (*easy_getinfo)(void *, int, ...);
  int (*easy_perform)(void *);
  const char *(*easy_strerror)(int);
  struct list *(*slist_append)(struct list *, const char *);
  void (*slist_free_all)(struct list *);
} curl;

#if defined(__APPLE__)
static const char *const names[] = {"libcurl.4.dylib", "/usr/lib/libcurl.4.dylib"};
#else
static const char *const names[] = {"libcurl.so.4", "libcurl-gnutls.so.4", "libcurl-nss.so.4"};
#endif

// POSIX lets a function pointer be read from what dlsym returns.
static int find(void *library, void *slot, const char *name, char *reason, size_t reasonSize) {
  void *symbol = dlsym(library, name);
  if (!symbol) {
    snprintf(reason, reasonSize, "it has no function %s", name);
    return 0;
  }
  memcpy(slot, &symbol, sizeof symbol);
  return 1;
}

static int bind(void *library, char *reason, size_t reasonSize) {
#define FIND(slot) find(library, &curl.slot, "curl_" #slot, reason, reasonSize)
  if (!FIND(global_init) || !FIND(version) || !FIND(easy_init) || !FIND(easy_cleanup) || !FIND(easy_reset) ||
      !FIND(easy_setopt) || !FIND(easy_getinfo) || !FIND(easy_perform) || !FIND(easy_strerror) ||
      !FIND(slist_append) || !FIND(slist_free_all))
    return 0;
#undef FIND
  int code = curl.global_init(GLOBAL_DEFAULT);
  if (code) snprintf(reason, reasonSize, "it does not start: %s", curl.easy_strerror(code));
  return code == 0;
}

int ccurl_open(const char *named, char *reason, size_t reasonSize) {
  const char *const *candidates = named ? &named : names;
  size_t count = named ? 1 : sizeof names / sizeof *names;
  reason[0] = 0;
  for (size_t i = 0; i < count; i++) {
    void *library = dlopen(candidates[i], RTLD_NOW | RTLD_LOCAL);
    if (!library) {
      // The first name is the usual one, so its error is the one to tell.
      const char *error = dlerror();
      if (!reason[0]) snprintf(reason, reasonSize, "%s", error ? error : "no reason given");
      continue;
    }
    // Never closed: threads of the library may outlive a transfer.
    return bind(library, reason, reasonSize);
  }
  return 0;
}

const char *ccurl_version(void) { return curl.version(); }
ccurl_handle *ccurl_new(void) { return curl.easy_init(); }
void ccurl_free(ccurl_handle *handle) { curl.easy_cleanup(handle); }

static int prepare(ccurl_handle *handle, const ccurl_request *request, struct list *headers, char *message) {
  int code = 0;
  // Options that an old library does not know are left out: they only refine.
#define REFINE(option, value) ((void)curl.easy_setopt(handle, OPTION_##option, value))
#define SET(option, value) (code = code ? code : curl.easy_setopt(handle, OPTION_##option, value))
  SET(ERRORBUFFER, message);
  SET(PROTOCOLS, (long)PROTOCOLS_HTTP_AND_HTTPS);
  SET(REDIR_PROTOCOLS, (long)PROTOCOLS_HTTP_AND_HTTPS);
  SET(FOLLOWLOCATION, 0L);
  SET(URL, request->url);
  SET(USERAGENT, request->userAgent);
  SET(HTTPHEADER, headers);
  SET(NOSIGNAL, 1L);
  SET(CONNECTTIMEOUT_MS, request->connectMilliseconds);
  SET(WRITEFUNCTION, request->takeBody);
  SET(WRITEDATA, request->context);
  SET(HEADERFUNCTION, request->takeHeader);
  SET(HEADERDATA, request->context);
  SET(XFERINFOFUNCTION, request->turn);
  SET(XFERINFODATA, request->context);
  SET(NOPROGRESS, 0L);
  if (request->proxy == ccurl_no_proxy) SET(PROXY, "");
  if (request->certificateFile) SET(CAINFO, request->certificateFile);
  REFINE(BUFFERSIZE, (long)BODY_PIECE);
  REFINE(TCP_KEEPALIVE, 1L);
  REFINE(SUPPRESS_CONNECT_HEADERS, 1L);
  REFINE(HTTP09_ALLOWED, 0L);
#undef SET
#undef REFINE
  return code;
}

void ccurl_perform(ccurl_handle *handle, const ccurl_request *request, ccurl_result *result) {
  memset(result, 0, sizeof *result);
  char message[ERROR_SIZE] = "";
  struct list *headers = NULL;
  for (const char *const *line = request->headers; *line; line++) {
    struct list *longer = curl.slist_append(headers, *line);
    if (longer) headers = longer;
    else result->code = 27;  // out of memory
  }
  curl.easy_reset(handle);
  if (!result->code) result->code = prepare(handle, request, headers, message);
  if (!result->code) result->code = curl.easy_perform(handle);
  if (result->code)
    snprintf(result->message, sizeof result->message, "%s",
             message[0] ? message : curl.easy_strerror(result->code));
  if (curl.easy_getinfo(handle, INFO_RETRY_AFTER, &result->retryAfterSeconds)) result->retryAfterSeconds = 0;
  // What the handle must not point to any longer.
  curl.easy_setopt(handle, OPTION_ERRORBUFFER, (char *)NULL);
  curl.easy_setopt(handle, OPTION_HTTPHEADER, (struct list *)NULL);
  curl.slist_free_all(headers);
}

const char *ccurl_redirect(ccurl_handle *handle) {
  char *url = NULL;
  return curl.easy_getinfo(handle, INFO_REDIRECT_URL, &url) ? NULL : url;
}
