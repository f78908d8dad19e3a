import CKernels

extension CPUFeatures {
  /// Whether products of bytes use dot product instructions (AVX-512 VNNI, AVX-VNNI, NEON dot product).
  public static var hasDotProducts: Bool { ck_dot_kind() != 0 }

  /// Runs `body` as if the machine had no dot product instructions, on this thread only.
  package static func withoutDotProducts<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    ck_force_dot(0)
    defer { ck_force_dot(-1) }
    return try body()
  }
}
