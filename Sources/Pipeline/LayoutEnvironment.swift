#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The value of an environment variable without blanks around it; nil when it is unset or empty.
func environmentVariable(_ name: String) -> String? {
  // getenv answers nil or a NUL-terminated string of the environment, which nothing here changes; it is
  // copied.
  guard let value = unsafe getenv(name) else { return nil }
  let words = unsafe String(cString: value).split { $0 == " " || $0 == "\n" || $0 == "\r" || $0 == "\t" }
  return words.isEmpty ? nil : words.joined(separator: " ")
}
