import CKernels

/// Whether 8-bit codes are signed.
public enum ByteSign: Sendable, Hashable {
  case unsigned
  case signed
}

/// Products of 8-bit matrices with zero points.
public enum IntegerProduct {
  /// Everything about a product but its result.
  public struct Operands: ~Escapable {
    /// [m, k] and [k, n] (or [n, k]); `a` is never transposed.
    public let shape: ProductShape
    public let a: Span<UInt8>
    public let signA: ByteSign
    public let b: Span<UInt8>
    public let signB: ByteSign
    /// One in all, or one per row.
    public let zeroA: Span<Int32>
    /// One in all, or one per column.
    public let zeroB: Span<Int32>

    @_lifetime(copy a, copy b, copy zeroA, copy zeroB)
    public init(
      _ shape: ProductShape, a: Span<UInt8>, signA: ByteSign, b: Span<UInt8>, signB: ByteSign,
      zeroA: Span<Int32>,
      zeroB: Span<Int32>
    ) {
      precondition(!shape.isATransposed && a.count == shape.m * shape.k, "the left matrix as it is")
      precondition(b.count == shape.n * shape.k, "the right matrix")
      precondition(zeroA.count == 1 || zeroA.count == shape.m, "a zero point in all or per row")
      precondition(zeroB.count == 1 || zeroB.count == shape.n, "a zero point in all or per column")
      self.shape = shape
      self.a = a
      self.signA = signA
      self.b = b
      self.signB = signB
      self.zeroA = zeroA
      self.zeroB = zeroB
    }

    /// The job with everything but its result.
    fileprivate func withJob(_ body: (inout ck_igemm_job) -> Void) {
      // Safe: the counts were checked by the initializer; pointers do not outlive the closures.
      unsafe lending(a, b) { a, b in
        unsafe lending(zeroA, zeroB) { zeroA, zeroB in
          var job = unsafe ck_igemm_job()
          unsafe job.m = shape.m
          unsafe job.n = shape.n
          unsafe job.k = shape.k
          unsafe job.a = a
          unsafe job.lda = shape.k
          unsafe job.signedA = signA == .signed ? 1 : 0
          unsafe job.b = b
          unsafe job.ldb = shape.isBTransposed ? shape.k : shape.n
          unsafe job.signedB = signB == .signed ? 1 : 0
          unsafe job.transposedB = shape.isBTransposed ? 1 : 0
          unsafe job.zeroA = zeroA
          unsafe job.zeroACount = self.zeroA.count
          unsafe job.zeroB = zeroB
          unsafe job.zeroBCount = self.zeroB.count
          unsafe job.ldc = shape.n
          unsafe body(&job)
        }
      }
    }
  }

  /// `c` [m, n] becomes (a − zeroA) · (b − zeroB), modulo 2^32.
  public static func integers(_ operands: Operands, into c: inout MutableSpan<Int32>, threads: Int) {
    precondition(c.count == operands.shape.m * operands.shape.n, "one result per row and column")
    if c.isEmpty { return }
    // Safe: as in `withJob`; `c` is borrowed exclusively.
    unsafe c.withUnsafeMutableBufferPointer { c in
      unsafe operands.withJob { job in
        unsafe job.c = c.baseAddress
        unsafe ck_igemm(&job, threads)
      }
    }
  }

  /// The same as floats, times `scales` (one in all or one per column), plus `bias` (one per column or none).
  public static func scaled(
    _ operands: Operands, scales: Span<Float>, bias: Span<Float>, into output: inout MutableSpan<Float>,
    threads: Int
  ) {
    let shape = operands.shape
    precondition(output.count == shape.m * shape.n, "one result per row and column")
    precondition(scales.count == 1 || scales.count == shape.n, "a scale in all or per column")
    precondition(bias.isEmpty || bias.count == shape.n, "a bias per column")
    if output.isEmpty { return }
    // Safe: as in `withJob`; the counts were checked above.
    unsafe lending(scales, bias, &output) { scaleBase, biasBase, output in
      unsafe operands.withJob { job in
        unsafe job.output = output
        unsafe job.scales = scaleBase
        unsafe job.scaleCount = scales.count
        unsafe job.bias = unsafe bias.isEmpty ? nil : biasBase
        unsafe ck_igemm(&job, threads)
      }
    }
  }
}
