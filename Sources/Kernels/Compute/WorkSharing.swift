import CKernels

/// Shares numbered pieces of work out to a pool of threads that the whole process has.
public enum WorkSharing {
  /// Processors that the system offers this process.
  public static var processorCount: Int { max(1, Int(ck_processor_count())) }

  /// Calls `body` for 0 ..< `pieceCount`, each once, on up to `threads` threads, the caller's among them; the
  /// calls may overlap and come in any order, so they must write disjoint memory.
  ///
  /// A call from within a piece does everything on its own thread.
  public static func forEach(_ pieceCount: Int, threads: Int, _ body: (Int) -> Void) {
    if pieceCount <= 1 || threads <= 1 {
      for piece in 0..<max(pieceCount, 0) { body(piece) }
      return
    }
    withoutActuallyEscaping(body) { body in
      var box = PieceBox(body: body)
      // Safe: the box outlives the call, which returns when all pieces are done, and nobody changes it.
      unsafe withUnsafeMutablePointer(to: &box) { box in
        unsafe ck_parallel(
          pieceCount, threads,
          { context, piece in
            guard let context = unsafe context else { return }
            unsafe context.assumingMemoryBound(to: PieceBox.self).pointee.body(piece)
          }, box)
      }
    }
  }

  /// Cuts 0 ..< `count` into ranges of about `grain` elements and shares them out.
  public static func forRanges(_ count: Int, grain: Int, threads: Int, _ body: (Range<Int>) -> Void) {
    if count == 0 { return }
    if threads <= 1 || count <= grain { return body(0..<count) }
    let pieceCount = min((count + grain - 1) / grain, threads * 4)
    let length = (count + pieceCount - 1) / pieceCount
    forEach((count + length - 1) / length, threads: threads) { piece in
      body(piece * length..<min(count, (piece + 1) * length))
    }
  }
}

private struct PieceBox {
  let body: (Int) -> Void
}
