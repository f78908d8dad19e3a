// Spans as pointers for the length of one call of C.
//
// The C header is annotated for SafeInteropWrappers, but Swift 6.3.1 crashes while it emits such wrappers in
// a module of several files with parallel code generation, which release builds use. Until that is mended,
// the calls go through these functions. The proof is the same for all of them: a pointer lives only inside
// `body`, and every caller has checked the counts that it passes beside the pointers.

/// Lends one span.
func lending<A, Result>(_ a: Span<A>, _ body: (UnsafePointer<A>?) -> Result) -> Result {
  // Safe: `body` cannot keep the pointer beyond this call.
  unsafe a.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
}

/// Lends a span to read and one to write.
func lending<A, B, Result>(
  _ a: Span<A>, _ b: inout MutableSpan<B>, _ body: (UnsafePointer<A>?, UnsafeMutablePointer<B>?) -> Result
) -> Result {
  // Safe: `body` cannot keep the pointers beyond this call; `b` is borrowed exclusively.
  unsafe a.withUnsafeBufferPointer { a in
    unsafe b.withUnsafeMutableBufferPointer { b in unsafe body(a.baseAddress, b.baseAddress) }
  }
}

/// Lends two spans to read and one to write.
func lending<A, B, C, Result>(
  _ a: Span<A>, _ b: Span<B>, _ c: inout MutableSpan<C>,
  _ body: (UnsafePointer<A>?, UnsafePointer<B>?, UnsafeMutablePointer<C>?) -> Result
) -> Result {
  // Safe: as above.
  unsafe lending(a) { a in
    unsafe lending(b, &c) { b, c in unsafe body(a, b, c) }
  }
}

/// Lends bytes to read and a span to write.
func lending<B>(
  bytes: RawSpan, _ b: inout MutableSpan<B>, _ body: (UnsafeRawPointer?, UnsafeMutablePointer<B>?) -> Void
) {
  // Safe: as above.
  unsafe bytes.withUnsafeBytes { a in
    unsafe b.withUnsafeMutableBufferPointer { b in unsafe body(a.baseAddress, b.baseAddress) }
  }
}

/// Lends two spans to read.
func lending<A, B>(_ a: Span<A>, _ b: Span<B>, _ body: (UnsafePointer<A>?, UnsafePointer<B>?) -> Void) {
  // Safe: as above.
  unsafe lending(a) { a in unsafe lending(b) { b in unsafe body(a, b) } }
}

/// Lends three spans to read and one to write.
func lending<A, B, C, D>(
  _ a: Span<A>, _ b: Span<B>, _ c: Span<C>, _ d: inout MutableSpan<D>,
  _ body: (UnsafePointer<A>?, UnsafePointer<B>?, UnsafePointer<C>?, UnsafeMutablePointer<D>?) -> Void
) {
  // Safe: as above.
  unsafe lending(a) { a in
    unsafe lending(b, c, &d) { b, c, d in unsafe body(a, b, c, d) }
  }
}
