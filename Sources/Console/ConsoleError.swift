#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// A failure to write the text of a run.
public struct ConsoleError: Error, Equatable, CustomStringConvertible {
  /// The file descriptor that did not take the text.
  public let descriptor: Int32
  /// The system's error number.
  public let code: Int32

  /// An error of the system while writing to `descriptor`.
  public init(descriptor: Int32, code: Int32) {
    self.descriptor = descriptor
    self.code = code
  }

  /// One sentence: what could not be written, why, and the remedy.
  public var description: String {
    let name =
      switch descriptor {
      case 1: "standard output"
      case 2: "standard error"
      default: "file descriptor \(descriptor)"
      }
    // Proof: strerror returns a NUL-terminated string that lives at least until this thread's next call of
    // it, and String(cString:) copies it at once.
    let reason = unsafe String(cString: strerror(code))
    return "cannot write to \(name): \(reason); check the disk or the program that reads the output"
  }
}
