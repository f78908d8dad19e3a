import CZlib

/// Signs that a decoder got caught in a loop.
public enum Repetition {
  /// A phrase that is written over and over.
  public struct Loop: Sendable, Equatable {
    /// Where the first copy begins.
    public let start: Int
    /// Units in one copy.
    public let phraseLength: Int
    /// Whole copies in succession.
    public let copies: Int

    /// All units of the copies.
    public var range: Range<Int> { start..<start + phraseLength * copies }
  }

  /// The longest phrase that counts, in units.
  public static let longestPhrase = 32
  /// Fewer copies are no loop: people say things three times.
  public static let leastCopies = 4
  /// Fewer units in all are no loop: "no, no, no, no".
  public static let leastUnits = 8

  /// The loop that covers most of a list of words or tokens: at least `leastCopies` whole copies of the same
  /// phrase of at most `longestPhrase` units, one right after the other, `leastUnits` or more in all. Of
  /// several the first with the shortest phrase; nil when there is none.
  public static func loop<Unit: Equatable>(in units: [Unit]) -> Loop? {
    var best: Loop?
    for length in 1...longestPhrase where length * leastCopies <= units.count {
      // A unit that equals the one a phrase further on carries a run; a run of n makes n / length further
      // copies.
      var start = 0
      for at in 0...units.count - length {
        if at < units.count - length, units[at] == units[at + length] { continue }
        let copies = (at - start) / length + 1
        let found = Loop(start: start, phraseLength: length, copies: copies)
        start = at + 1
        if copies < leastCopies || found.range.count < leastUnits { continue }
        if found.range.count > best?.range.count ?? 0 { best = found }
      }
    }
    return best
  }

  /// The length of a text's UTF-8 over that of its zlib form, with which Whisper's decoder tells loops: above
  /// 2.4 it tries again. The form is that of zlib's default level. An empty text has 0.
  public static func compressionRatio(of text: String) -> Double {
    let bytes = Array(text.utf8)
    if bytes.isEmpty { return 0 }
    var length = compressBound(uLong(bytes.count))
    var output = [UInt8](repeating: 0, count: Int(length))
    // zlib writes at most `length` bytes, the size of `output`, and sets it to what it wrote; it reads as
    // many bytes as it is told, all of `bytes`; both arrays live through the call.
    let status = unsafe compress(&output, &length, bytes, uLong(bytes.count))
    // The output has room for the longest form there is, so only memory for zlib's tables could be missing.
    precondition(status == Z_OK, "zlib got no memory")
    return Double(bytes.count) / Double(length)
  }
}
