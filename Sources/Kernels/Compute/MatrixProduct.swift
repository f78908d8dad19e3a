import CKernels

/// The extents of a matrix product [m, k] × [k, n] and how its operands lie in memory.
public struct ProductShape: Sendable, Hashable {
  public var m: Int
  public var n: Int
  public var k: Int
  /// `a` is stored as [k, m].
  public var isATransposed = false
  /// `b` is stored as [n, k].
  public var isBTransposed = false

  public init(m: Int, n: Int, k: Int, isATransposed: Bool = false, isBTransposed: Bool = false) {
    (self.m, self.n, self.k) = (m, n, k)
    (self.isATransposed, self.isBTransposed) = (isATransposed, isBTransposed)
  }
}

/// Where the operands of one product of a batch begin, in elements.
public struct ProductOffsets: Sendable, Hashable {
  public var a: Int
  public var b: Int

  public init(a: Int, b: Int) { (self.a, self.b) = (a, b) }
}

/// Products of float matrices.
public enum MatrixProduct {
  /// Below this many multiplications a product of a batch is not shared among threads; the batch is.
  private static let sharedWork = 1 << 21

  /// `c` becomes alpha · a · b + bias for every pair of the batch, one [m, n] after the other.
  ///
  /// `b` are the bytes of floats, of any alignment; `bias` has n elements or none.
  public static func floats(
    _ shape: ProductShape, _ a: Span<Float>, _ b: Span<UInt8>, batch: [ProductOffsets], alpha: Float = 1,
    bias: Span<Float>, into c: inout MutableSpan<Float>, threads: Int
  ) {
    let sizeA = shape.m * shape.k
    let sizeB = shape.k * shape.n
    let sizeC = shape.m * shape.n
    precondition(c.count == batch.count * sizeC, "one product per pair")
    precondition(bias.isEmpty || bias.count == shape.n, "a bias per column")
    for pair in batch {
      precondition(pair.a >= 0 && pair.a + sizeA <= a.count, "the left matrix lies within its memory")
      precondition(pair.b >= 0 && (pair.b + sizeB) * 4 <= b.count, "the right matrix lies within its memory")
    }
    if c.isEmpty { return }
    let hasBias = !bias.isEmpty
    let isShared = batch.count == 1 || shape.m * shape.n * shape.k >= sharedWork
    // Safe: all ranges were checked above; every piece writes its own part of `c`.
    unsafe lending(a, b, bias, &c) { a, b, bias, c in
      WorkSharing.forEach(batch.count, threads: isShared ? 1 : threads) { index in
        let pair = batch[index]
        var job = unsafe ck_sgemm_job()
        unsafe job.m = shape.m
        unsafe job.n = shape.n
        unsafe job.k = shape.k
        unsafe job.a = a.map { unsafe $0 + pair.a }
        unsafe job.lda = shape.isATransposed ? shape.m : shape.k
        unsafe job.transposedA = shape.isATransposed ? 1 : 0
        unsafe job.b = b.map { unsafe UnsafeRawPointer($0 + pair.b * 4) }
        unsafe job.ldb = shape.isBTransposed ? shape.k : shape.n
        unsafe job.transposedB = shape.isBTransposed ? 1 : 0
        unsafe job.c = c.map { unsafe $0 + index * sizeC }
        unsafe job.ldc = shape.n
        unsafe job.alpha = alpha
        unsafe job.bias = hasBias ? bias : nil
        unsafe ck_sgemm(&job, isShared ? threads : 1)
      }
    }
  }

  /// `c` [m, n] becomes a [m, k] times the block-quantized weight [n, k], plus bias.
  ///
  /// `codes` is [n, blocks, blockSize · bits / 8] bytes, `scales` [n, blocks]; `zeroPoints` is packed as the codes,
  /// rows padded to bytes, and may be empty (2^(bits − 1)); `floatZeroPoints` [n, blocks] may stand instead.
  public static func blocked(
    m: Int, n: Int, k: Int, bits: Int, blockSize: Int, _ a: Span<Float>, codes: Span<UInt8>,
    scales: Span<Float>, zeroPoints: Span<UInt8>, floatZeroPoints: Span<Float>, bias: Span<Float>,
    into c: inout MutableSpan<Float>, threads: Int
  ) {
    precondition((bits == 4 || bits == 8) && blockSize >= 16 && 256 % blockSize == 0, "a block format")
    let blockCount = (k + blockSize - 1) / blockSize
    let zeroByteCount = bits == 4 ? (blockCount + 1) / 2 : blockCount
    precondition(a.count >= m * k && c.count == m * n, "matrices of the given extents")
    precondition(codes.count >= n * blockCount * blockSize * bits / 8, "all blocks")
    precondition(scales.count >= n * blockCount, "a scale per block")
    precondition(zeroPoints.isEmpty || zeroPoints.count >= n * zeroByteCount, "a zero point per block")
    precondition(floatZeroPoints.isEmpty || floatZeroPoints.count >= n * blockCount, "a zero point per block")
    precondition(bias.isEmpty || bias.count == n, "a bias per column")
    if c.isEmpty { return }
    // Safe: the counts were checked above; pointers do not outlive the closures.
    unsafe lending(a, codes, scales, &c) { a, codes, scales, c in
      unsafe zeroPoints.withUnsafeBufferPointer { zeroPoints in
        unsafe floatZeroPoints.withUnsafeBufferPointer { floatZeroPoints in
          unsafe bias.withUnsafeBufferPointer { bias in
            var weight = unsafe ck_blocked_weight()
            unsafe weight.codes = codes
            unsafe weight.scales = scales
            unsafe weight.zeroPoints = zeroPoints.isEmpty ? nil : zeroPoints.baseAddress
            unsafe weight.floatZeroPoints = floatZeroPoints.isEmpty ? nil : floatZeroPoints.baseAddress
            unsafe weight.bits = Int32(bits)
            unsafe weight.blockSize = Int32(blockSize)
            unsafe withUnsafePointer(to: weight) { weight in
              var job = unsafe ck_sgemm_job()
              unsafe job.m = m
              unsafe job.n = n
              unsafe job.k = k
              unsafe job.a = a
              unsafe job.lda = k
              unsafe job.blocked = weight
              unsafe job.c = c
              unsafe job.ldc = n
              unsafe job.alpha = 1
              unsafe job.bias = bias.isEmpty ? nil : bias.baseAddress
              unsafe ck_sgemm(&job, threads)
            }
          }
        }
      }
    }
  }
}
