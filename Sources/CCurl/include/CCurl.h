/// The few functions of libcurl that downloads need, found at run time in the system's own library.
///
/// libcurl keeps its binary interface stable since version 7.16 (soname 4), so its numbers are written down here
/// and no header of it is needed to build. The options are variadic, which is why this is C.
#ifndef CCURL_H
#define CCURL_H

#include <stddef.h>
#include <stdint.h>

/// Results of a transfer that callers tell apart (`CURLcode`); others are failures with a message.
enum {
  ccurl_done = 0,
  ccurl_unsupported_protocol = 1,
  ccurl_malformed_url = 3,
  ccurl_no_proxy_host = 5,
  ccurl_no_host = 6,
  ccurl_no_connection = 7,
  ccurl_partial = 18,
  ccurl_write_error = 23,
  ccurl_timed_out = 28,
  ccurl_aborted = 42,
  ccurl_bad_certificate = 60,
  ccurl_bad_certificate_file = 77,
};

/// Which proxy a request takes.
typedef enum {
  /// The one that the environment names (https_proxy, http_proxy, all_proxy, no_proxy).
  ccurl_proxy_of_environment,
  ccurl_no_proxy,
} ccurl_proxy;

/// One request. Strings and the list live until `ccurl_perform` returns.
typedef struct {
  const char *_Nonnull url;
  const char *_Nonnull userAgent;
  /// Header lines, ended by NULL.
  const char *_Nullable const *_Nonnull headers;
  /// A file of trusted certificates in place of the library's own, or NULL.
  const char *_Nullable certificateFile;
  ccurl_proxy proxy;
  long connectMilliseconds;
  void *_Nonnull context;
  /// A header line with its end, for every response; returns the count it took, anything else ends the transfer.
  size_t (*_Nonnull takeHeader)(char *_Nonnull bytes, size_t one, size_t count, void *_Nonnull context);
  /// A part of the body; returns the count it took, anything else ends the transfer.
  size_t (*_Nonnull takeBody)(char *_Nonnull bytes, size_t one, size_t count, void *_Nonnull context);
  /// Called at least about once a second; anything but 0 ends the transfer.
  int (*_Nonnull turn)(void *_Nonnull context, int64_t total, int64_t done, int64_t upTotal, int64_t upDone);
} ccurl_request;

/// What came of a request.
typedef struct {
  /// A `CURLcode`.
  int code;
  /// Seconds that the server asks to wait (Retry-After); 0 when it does not say.
  int64_t retryAfterSeconds;
  /// The library's own words for a failure; empty when it has none.
  char message[256];
} ccurl_result;

/// A handle of libcurl, with the connections it keeps; for one thread at a time.
typedef struct ccurl_handle ccurl_handle;

/// Opens the library once: the file `named`, or the system's own when it is NULL. Returns 1 when it is there; else 0
/// and why. Not to be called by two threads at once.
int ccurl_open(const char *_Nullable named, char *_Nonnull reason, size_t reasonSize);

/// The library's name and version; valid for the life of the process. Only after `ccurl_open`.
const char *_Nonnull ccurl_version(void);

/// A new handle, NULL when there is no memory. Only after `ccurl_open`.
ccurl_handle *_Nullable ccurl_new(void);
void ccurl_free(ccurl_handle *_Nonnull handle);

/// Makes the request and waits for its end. Redirects are not followed.
void ccurl_perform(
    ccurl_handle *_Nonnull handle, const ccurl_request *_Nonnull request, ccurl_result *_Nonnull result);

/// Where the last response of the handle redirects to, as an absolute URL; NULL when it does not. Valid until the
/// handle's next use.
const char *_Nullable ccurl_redirect(ccurl_handle *_Nonnull handle);

#endif
