import CKernels

/// A matrix that lies within other memory: where it begins and how far its rows are apart, in elements.
public struct MatrixPlace: Sendable, Hashable {
  public var offset: Int
  public var rowStride: Int

  public init(offset: Int = 0, rowStride: Int) { (self.offset, self.rowStride) = (offset, rowStride) }

  /// Whether `rows` rows of `columns` lie within `count` elements.
  fileprivate func fits(_ rows: Int, _ columns: Int, within count: Int) -> Bool {
    offset >= 0 && rowStride >= columns && (rows == 0 || offset + (rows - 1) * rowStride + columns <= count)
  }
}

extension MatrixProduct {
  /// `c` becomes a · b, where both are parts of larger matrices; `c` is dense [m, n].
  ///
  /// An element of `c` is the same for any number of threads.
  public static func panel(
    _ shape: ProductShape, _ a: Span<Float>, at placeA: MatrixPlace, _ b: Span<Float>, at placeB: MatrixPlace,
    into c: inout MutableSpan<Float>, threads: Int
  ) {
    precondition(c.count == shape.m * shape.n, "a dense product")
    precondition(
      shape.isATransposed
        ? placeA.fits(shape.k, shape.m, within: a.count) : placeA.fits(shape.m, shape.k, within: a.count),
      "the left matrix lies within its memory")
    precondition(
      shape.isBTransposed
        ? placeB.fits(shape.n, shape.k, within: b.count) : placeB.fits(shape.k, shape.n, within: b.count),
      "the right matrix lies within its memory")
    if c.isEmpty { return }
    // Safe: the places were checked above; pointers do not outlive the closure.
    unsafe lending(a, b, &c) { a, b, c in
      var job = unsafe ck_sgemm_job()
      unsafe job.m = shape.m
      unsafe job.n = shape.n
      unsafe job.k = shape.k
      unsafe job.a = a.map { unsafe $0 + placeA.offset }
      unsafe job.lda = placeA.rowStride
      unsafe job.transposedA = shape.isATransposed ? 1 : 0
      unsafe job.b = b.map { unsafe UnsafeRawPointer($0 + placeB.offset) }
      unsafe job.ldb = placeB.rowStride
      unsafe job.transposedB = shape.isBTransposed ? 1 : 0
      unsafe job.c = c
      unsafe job.ldc = shape.n
      unsafe job.alpha = 1
      unsafe ck_sgemm(&job, threads)
    }
  }
}
