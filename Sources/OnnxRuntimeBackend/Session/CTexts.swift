#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Texts as C wants them, for as long as the object lives.
@safe final class CTexts: Sendable {
  nonisolated(unsafe) let pointers: [UnsafePointer<CChar>?]

  init(_ texts: [String]) {
    // Safe: strdup copies; the copies are freed in `deinit` only.
    unsafe pointers = texts.map { text in unsafe strdup(text).map { unsafe UnsafePointer($0) } }
  }

  deinit {
    for index in unsafe pointers.indices {
      unsafe free(UnsafeMutableRawPointer(mutating: pointers[index]))
    }
  }
}
