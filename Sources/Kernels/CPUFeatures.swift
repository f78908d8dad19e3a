import CKernels

/// An instruction set that the kernels are compiled for.
public enum KernelLevel: Int32, CaseIterable, Sendable {
  /// What every machine of the target has: SSE2 on x86-64, NEON on arm64.
  case baseline = 0
  /// x86-64 with AVX2 and F16C.
  case avx2 = 1
  /// x86-64 with AVX-512 F, BW, VL and DQ.
  case avx512 = 2

  /// The name for reports.
  public var name: String {
    switch self {
    case .avx512: "AVX-512"
    case .avx2: "AVX2"
    case .baseline:
      #if arch(x86_64)
        "SSE2"
      #elseif arch(arm64)
        "NEON"
      #else
        "baseline"
      #endif
    }
  }
}

/// What the kernels found on this machine.
public enum CPUFeatures {
  /// The level that kernels called from this thread use: the best one of the machine, chosen once.
  public static var level: KernelLevel { KernelLevel(rawValue: ck_level()) ?? .baseline }

  /// The levels that this machine can run, lowest first.
  public static var availableLevels: [KernelLevel] {
    KernelLevel.allCases.filter { $0.rawValue <= ck_best_level() }
  }

  /// Runs `body` with the kernels of `level`, on this thread only.
  ///
  /// The machine must have the level (`availableLevels`). `body` is synchronous, so that it stays on the
  /// thread.
  package static func withLevel<Result, Failure: Error>(
    _ level: KernelLevel, _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let accepted = ck_force_level(level.rawValue)
    precondition(accepted != 0, "this machine has no \(level.name)")
    defer { _ = ck_force_level(-1) }
    return try body()
  }
}
