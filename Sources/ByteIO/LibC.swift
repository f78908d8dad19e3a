#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The calling thread's last system error.
package var lastSystemError: Int32 { errno }

/// Repeats a system call that answers −1 while a signal interrupts it.
package func retryingInterrupts<Result: SignedInteger>(_ call: () -> Result) -> Result {
  while true {
    let result = call()
    if result != -1 || errno != EINTR { return result }
  }
}

/// The system's words for an error number.
package func systemMessage(_ code: Int32) -> String {
  // strerror returns a NUL-terminated string that stays valid until the next call on this thread.
  unsafe String(cString: strerror(code))
}
