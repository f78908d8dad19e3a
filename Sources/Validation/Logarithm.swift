#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The decimal logarithm of the C library.
func log10(_ value: Double) -> Double {
  #if canImport(Glibc)
    return Glibc.log10(value)
  #elseif canImport(Musl)
    return Musl.log10(value)
  #else
    return Darwin.log10(value)
  #endif
}
